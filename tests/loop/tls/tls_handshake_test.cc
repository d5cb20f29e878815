// What is negotiated and shown: names, addresses, certificates by SNI, ALPN, versions, client certificates, time.
#include <utility>

#include "tests/loop/tls/tls_test.h"

namespace wasi_netd::net {
namespace {

class TlsHandshake : public TlsTest {
 protected:
  // Our client against a native server.
  Shaken connect(const policy::Tls& policy, const Endpoint& target, const test::NativeTlsSetup& setup) {
    Pair pair = tcp_pair();
    peer_ = test::NativeTls(std::move(pair.peer), test::native_tls_context(true, setup), true);
    return shake(tls_connect(load(policy), pair.ours, target), peer_);
  }
  // Our server against a native client.
  Shaken accept(const policy::Tls& policy, const test::NativeTlsSetup& setup, const std::string& sni = "") {
    Pair pair = tcp_pair();
    peer_ = test::NativeTls(std::move(pair.peer), test::native_tls_context(false, setup), false, sni);
    return shake(tls_accept(load(policy), pair.ours), peer_);
  }
  static test::NativeTlsSetup served_by(const test::Issued& issued) {
    test::NativeTlsSetup setup;
    setup.identity = &issued;
    return setup;
  }
  std::string native_peer_subject() const {
    const test::Certificate certificate(SSL_get1_peer_certificate(peer_.ssl()));
    char text[256] = "";
    if (certificate) X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, text, 256);
    return text;
  }

  test::NativeTls peer_;
};

constexpr auto kLabel = [](const auto& parameter) { return std::string(parameter.param.label); };

struct NameCase {
  const char* label;
  const char* names;
  Endpoint target;
  const char* server_name;
  const char* shown;  // nullptr: refused
  const char* sni;
};
class TlsServerNames : public TlsHandshake, public ::testing::WithParamInterface<NameCase> {};
inline std::ostream& operator<<(std::ostream& out, const NameCase& each) { return out << each.label; }
const policy::NameEndpoint kA{"a.example", 443};
const policy::NameEndpoint kDeep{"x.a.example", 443};
INSTANTIATE_TEST_SUITE_P(
    Table, TlsServerNames,
    ::testing::Values(NameCase{"Exact", "DNS:a.example", kA, "", "a.example", "a.example"},
                      NameCase{"Wildcard", "DNS:*.a.example", kDeep, "", "x.a.example", "x.a.example"},
                      NameCase{"WildcardIsOneLabel", "DNS:*.example", kDeep, "", nullptr, "x.a.example"},
                      NameCase{"PartialWildcard", "DNS:x*.a.example", kDeep, "", nullptr, "x.a.example"},
                      NameCase{"IpV4", "IP:127.0.0.1", ip("127.0.0.1", 1), "", "127.0.0.1", nullptr},
                      NameCase{"IpV6", "IP:::1", ip("::1", 1), "", "::1", nullptr},
                      NameCase{"IpOther", "IP:127.0.0.2", ip("127.0.0.1", 1), "", nullptr, nullptr},
                      NameCase{"IpAsDnsName", "DNS:127.0.0.1", ip("127.0.0.1", 1), "", nullptr, nullptr},
                      NameCase{"Override", "DNS:b.example", kA, "b.example", "b.example", "b.example"},
                      NameCase{"OverrideOnly", "DNS:a.example", kA, "b.example", nullptr, "b.example"},
                      NameCase{"OverrideByIp", "IP:10.0.0.1", kA, "10.0.0.1", "10.0.0.1", nullptr},
                      NameCase{"UnixWithOverride", "DNS:a.example", unix_path("/run/x"), "a.example", "a.example",
                               "a.example"}),
    kLabel);

TEST_P(TlsServerNames, AreVerifiedAndSentAsAskedFor) {
  const test::Issued issued = issue(GetParam().names, "no.example");
  policy::Tls policy = client_policy();
  policy.server_name = GetParam().server_name;
  const Shaken shaken = connect(policy, GetParam().target, served_by(issued));
  const char* sni = SSL_get_servername(peer_.ssl(), TLSEXT_NAMETYPE_host_name);
  EXPECT_EQ(sni ? std::string(sni) : "", GetParam().sni ? GetParam().sni : "");
  if (GetParam().shown) {
    ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
    EXPECT_EQ((*shaken.ours)->info().peer_name, GetParam().shown);
  } else {
    EXPECT_EQ(code_of(shaken.ours), Errno::connaborted);
    EXPECT_NE(shaken.ours.error().detail.find("mismatch"), std::string::npos) << shaken.ours.error().detail;
    EXPECT_NE(shaken.native, "");
  }
}

TEST_F(TlsHandshake, NeverTakesTheCommonNameForAName) {
  const test::Issued issued = issue("", "a.example");
  EXPECT_EQ(code_of(connect(client_policy(), kA, served_by(issued)).ours), Errno::connaborted);
}

TEST_F(TlsHandshake, RefusesAUnixTargetWithoutANameAtOnce) {
  Pair pair = tcp_pair();
  const auto connected = run(tls_connect(load(client_policy()), pair.ours, unix_path("/run/x")));
  EXPECT_EQ(code_of(connected), Errno::inval);
  EXPECT_EQ(pair.peer.read_error(), ECONNRESET);
}

TEST_F(TlsHandshake, FollowsAChainOverAnIntermediate) {
  const test::Authority between(root_, "Between");
  test::Profile profile;
  profile.names = "DNS:a.example";
  const test::Issued issued = between.issue(profile);
  EXPECT_EQ(code_of(connect(client_policy(), kA, served_by(issued)).ours), Errno::success);
}

TEST_F(TlsHandshake, ShowsVersionCipherAndAlpn) {
  const test::Issued issued = issue("DNS:a.example");
  policy::Tls policy = client_policy();
  policy.alpn = {"h2", "http/1.1"};
  test::NativeTlsSetup setup = served_by(issued);
  setup.alpn = "http/1.1";
  Shaken shaken = connect(policy, kA, setup);
  ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
  ConnectionInfo info = (*shaken.ours)->info();
  EXPECT_EQ(info.alpn, "http/1.1");
  EXPECT_EQ(info.tls_version, "TLSv1.3");
  EXPECT_EQ(info.tls_cipher, SSL_get_cipher_name(peer_.ssl()));
  setup.highest = TLS1_2_VERSION;
  shaken = connect(policy, kA, setup);
  ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
  info = (*shaken.ours)->info();
  EXPECT_EQ(info.tls_version, "TLSv1.2");
  EXPECT_EQ(info.tls_cipher.rfind("ECDHE-", 0), 0U) << info.tls_cipher;
}

TEST_F(TlsHandshake, SelectsTheServersPreferredAlpn) {
  const test::Issued issued = issue("DNS:a.example");
  policy::Tls policy = server_policy(issued);
  policy.alpn = {"h2", "http/1.1"};
  test::NativeTlsSetup setup;
  setup.alpn = "http/1.1";
  Shaken shaken = accept(policy, setup);
  ASSERT_TRUE(shaken.ours);
  EXPECT_EQ((*shaken.ours)->info().alpn, "http/1.1");
  setup.alpn = "";
  shaken = accept(policy, setup);
  ASSERT_TRUE(shaken.ours) << "a client that offers none is served";
  EXPECT_EQ((*shaken.ours)->info().alpn, "");
}

TEST_F(TlsHandshake, ShowsTheClientsSubjectOrItsFirstName) {
  const test::Issued server = issue("DNS:a.example");
  const test::Issued named = issue("DNS:client.example", "Client, One\n");
  const test::Issued nameless = issue("email:client@example.org,DNS:client.example");
  policy::Tls policy = server_policy(server);
  policy.ca = file("clients.pem", root_.certificate_pem());
  policy.verify = policy::Tls::Verify::kRequired;
  Shaken shaken = accept(policy, served_by(named));
  ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
  EXPECT_EQ((*shaken.ours)->info().peer_name, "CN=Client\\, One\\0A");
  shaken = accept(policy, served_by(nameless));
  ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
  EXPECT_EQ((*shaken.ours)->info().peer_name, "email:client@example.org");
  policy.verify = policy::Tls::Verify::kOptional;
  shaken = accept(policy, {});
  ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
  EXPECT_EQ((*shaken.ours)->info().peer_name, "");
}

TEST_F(TlsHandshake, ShowsANameThatIsNoPlainTextEscaped) {
  const test::Issued server = issue("DNS:a.example");
  // An otherName: SmtpUTF8Mailbox "b\xff\nd" (RFC 9598), which must be UTF-8 and is not.
  const test::Issued client = issue("DER:30:14:a0:12:06:08:2b:06:01:05:05:07:08:09:a0:06:0c:04:62:ff:0a:64");
  policy::Tls policy = server_policy(server);
  policy.ca = file("clients.pem", root_.certificate_pem());
  policy.verify = policy::Tls::Verify::kRequired;
  const Shaken shaken = accept(policy, served_by(client));
  ASSERT_TRUE(shaken.ours) << shaken.ours.error().detail;
  EXPECT_EQ((*shaken.ours)->info().peer_name, "othername:SmtpUTF8Mailbox:b\\xff\\x0ad");
}

TEST_F(TlsHandshake, GivesItsClientCertificateToTheServerThatAsks) {
  const test::Issued server = issue("DNS:a.example");
  const test::Issued client = issue("DNS:client.example", "Client");
  policy::Tls policy = client_policy();
  policy.identities = {identity_files(client, "client")};
  test::NativeTlsSetup setup = served_by(server);
  setup.trusted = root_.certificate_pem();
  setup.demand = true;
  ASSERT_TRUE(connect(policy, kA, setup).ours);
  EXPECT_EQ(native_peer_subject(), "Client");
}

struct SniCase {
  const char* label;
  const char* asked;
  const char* served;
};
inline std::ostream& operator<<(std::ostream& out, const SniCase& each) { return out << each.label; }
class TlsSni : public TlsHandshake, public ::testing::WithParamInterface<SniCase> {};
INSTANTIATE_TEST_SUITE_P(Table, TlsSni,
                         ::testing::Values(SniCase{"None", "", "first"}, SniCase{"First", "one.example", "first"},
                                           SniCase{"Second", "two.example", "second"},
                                           SniCase{"UpperCase", "TWO.EXAMPLE", "second"},
                                           SniCase{"SecondName", "also.example", "second"},
                                           SniCase{"Wildcard", "x.three.example", "third"},
                                           SniCase{"ExactBeatsWildcard", "y.three.example", "second"},
                                           SniCase{"WildcardIsOneLabel", "x.y.three.example", "first"},
                                           SniCase{"Unknown", "four.example", "first"}),
                         kLabel);

TEST_P(TlsSni, ChoosesTheCertificate) {
  const test::Issued first = issue("DNS:one.example", "first");
  const test::Issued second = issue("DNS:two.example,DNS:also.example,DNS:y.three.example", "second");
  const test::Issued third = issue("DNS:*.three.example", "third");
  policy::Tls policy = server_policy(first);
  policy.identities.push_back(identity_files(second, "second"));
  policy.identities.push_back(identity_files(third, "third"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    test::NativeTlsSetup setup;
    setup.highest = version;
    ASSERT_TRUE(accept(policy, setup, GetParam().asked).ours);
    EXPECT_EQ(native_peer_subject(), GetParam().served);
  }
}

TEST_F(TlsHandshake, ChoosesAmongKeysOfOneNameByWhatTheClientCan) {
  test::Profile profile;
  profile.names = "DNS:a.example";
  profile.subject = "rsa";
  profile.rsa_bits = 2048;
  const test::Issued rsa = root_.issue(profile);
  const test::Issued ec = issue("DNS:a.example", "ec");
  policy::Tls policy = server_policy(issue("DNS:other.example", "other"));
  policy.identities.push_back(identity_files(ec, "ec"));
  policy.identities.push_back(identity_files(rsa, "rsa"));
  Pair pair = tcp_pair();
  const auto context = test::native_tls_context(false, {});
  SSL_CTX_set1_sigalgs_list(context.get(), "rsa_pss_rsae_sha256");
  peer_ = test::NativeTls(std::move(pair.peer), context, false, "a.example");
  ASSERT_TRUE(shake(tls_accept(load(policy), pair.ours), peer_).ours);
  EXPECT_EQ(native_peer_subject(), "rsa");
}

TEST_F(TlsHandshake, TakesTooLongForItsTimeLimit) {
  policy::Tls policy = client_policy();
  policy.handshake_timeout = milliseconds(20);
  Pair pair = tcp_pair();
  const auto connected = run(tls_connect(load(policy), pair.ours, kA));
  EXPECT_EQ(code_of(connected), Errno::timedout);
  const std::string hello = pair.peer.read(5);
  EXPECT_EQ(hello.size(), 5U);
  while (pair.peer.read_error() == 0) {
  }
}

TEST_F(TlsHandshake, TakesTooLongWhenTheClientDribblesItsHello) {
  policy::Tls policy = server_policy(issue("DNS:a.example"));
  policy.handshake_timeout = milliseconds(50);
  Pair pair = tcp_pair();
  auto accepting = start(tls_accept(load(policy), pair.ours));
  const std::string hello("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11);
  for (const char byte : hello) {
    pair.peer.write_all({&byte, 1});
    run_ready();
  }
  EXPECT_EQ(code_of(finish(accepting)), Errno::timedout);
  EXPECT_EQ(pair.peer.read_error(), ECONNRESET);
}

TEST_F(TlsHandshake, IsCancelledByAbortingTheInnerConnection) {
  Pair pair = tcp_pair();
  auto connecting = start(tls_connect(load(client_policy()), pair.ours, kA));
  EXPECT_FALSE(connecting->done());
  pair.ours->abort();
  EXPECT_EQ(code_of(finish(connecting)), Errno::canceled);
}

}  // namespace
}  // namespace wasi_netd::net
