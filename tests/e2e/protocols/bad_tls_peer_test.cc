// Servers that a protocol with TLS must refuse: the guest's errno, OpenSSL's reason in the audit record, and no byte
// either way.
#include "tests/e2e/protocols/protocols_test.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;

struct BadPeer {
  const char* name;
  const char* reason;
  void (*spoil)(Profile&, NativeTlsSetup&);
  bool unknown_authority = false;
  bool self_signed = false;
  bool revoked = false;
};
std::ostream& operator<<(std::ostream& out, const BadPeer& peer) { return out << peer.name; }

void nothing(Profile&, NativeTlsSetup&) {}

const BadPeer kBadPeers[] = {
    {"Expired", "certificate has expired",
     [](Profile& profile, NativeTlsSetup&) {
       profile.from = -2 * kDay;
       profile.until = -kDay;
     }},
    {"NotYetValid", "certificate is not yet valid", [](Profile& profile, NativeTlsSetup&) { profile.from = kDay; }},
    {"WrongHost", "mismatch", [](Profile& profile, NativeTlsSetup&) { profile.names = "DNS:other.example"; }},
    {"SelfSigned", "self-signed certificate", nothing, false, true},
    {"UnknownAuthority", "unable to get local issuer certificate", nothing, true},
    {"Revoked", "certificate revoked", nothing, false, false, true},
    {"WeakKey", "key too weak", [](Profile& profile, NativeTlsSetup&) { profile.rsa_bits = 1024; }},
    {"Tls10", "protocol version", [](Profile&, NativeTlsSetup& setup) { setup.lowest = setup.highest = TLS1_VERSION; }},
    {"Tls11", "protocol version",
     [](Profile&, NativeTlsSetup& setup) { setup.lowest = setup.highest = TLS1_1_VERSION; }},
    {"WrongAlpn", "bad extension", [](Profile&, NativeTlsSetup& setup) { setup.alpn = "other/1"; }},
};

class BadTlsPeer : public ProtocolsTest, public testing::WithParamInterface<BadPeer> {};
INSTANTIATE_TEST_SUITE_P(Servers, BadTlsPeer, testing::ValuesIn(kBadPeers),
                         [](const auto& peer) { return std::string(peer.param.name); });

TEST_P(BadTlsPeer, TLS_1_IsConnabortedForTheGuestAndExplainedInTheAuditRecord) {
  const BadPeer& bad = GetParam();
  Profile profile;
  profile.subject = "server";
  profile.names = "IP:127.0.0.1";
  NativeTlsSetup setup;
  bad.spoil(profile, setup);
  const Issued issued = bad.self_signed         ? Authority::self_signed(profile)
                        : bad.unknown_authority ? Authority("Other Root").issue(profile)
                                                : root_.issue(profile);
  setup.identity = &issued;
  std::string tls = "{role: client, ca: " + file("ca.pem", root_.certificate_pem()) + ", alpn: [http/1.1]";
  if (bad.revoked) tls += ", crl: " + file("crl.pem", root_.crl({&issued}));
  acme("protocols:\n" + client_protocol("secure", "    tls: " + tls + "}\n"));
  start_daemon();
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  auto server = serve_once(listener, setup);

  EXPECT_EQ(connect("secure", address_of(listener)), "connaborted");
  EXPECT_EQ(server.get().bytes, "");
  const std::string record = end_of_connection();
  EXPECT_THAT(record, HasSubstr("\"errno\":\"connaborted\""));
  EXPECT_THAT(record, HasSubstr(bad.reason));
  EXPECT_THAT(record, HasSubstr("\"bytes_in\":0,\"bytes_out\":0"));
}

// Peers that never come to a certificate.
struct NoTlsPeer {
  const char* name;
  std::string says;
  bool stays;  // else it ends its half behind that
  const char* errno_name;
  const char* reason;
};
std::ostream& operator<<(std::ostream& out, const NoTlsPeer& peer) { return out << peer.name; }

const NoTlsPeer kNoTlsPeers[] = {
    {"PlainHttp", "HTTP/1.1 400 Bad Request\r\n\r\n", false, "connaborted", "TLS: wrong version number"},
    {"TruncatedHandshake", "\x16\x03\x03", false, "connaborted", "the peer ended the connection during the handshake"},
    {"Silent", "", true, "timedout", "the handshake took too long"},
};

class NotTls : public ProtocolsTest, public testing::WithParamInterface<NoTlsPeer> {};
INSTANTIATE_TEST_SUITE_P(Servers, NotTls, testing::ValuesIn(kNoTlsPeers),
                         [](const auto& peer) { return std::string(peer.param.name); });

TEST_P(NotTls, TLS_1_IsRefusedForTheGuestAndExplainedInTheAuditRecord) {
  const NoTlsPeer& bad = GetParam();
  const std::string timeout = bad.stays ? "100ms" : "60s";
  acme("protocols:\n" + client_protocol("secure", "    tls: {role: client, handshake_timeout: " + timeout +
                                                      ", ca: " + file("ca.pem", root_.certificate_pem()) + "}\n"));
  start_daemon();
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  auto server = std::async(std::launch::async, [&] {
    NativeSocket peer = listener.accept();
    peer.write_all(bad.says);
    if (!bad.stays) peer.shutdown_write();
    char rest[4096];
    while (::recv(peer.fd(), rest, sizeof rest, 0) > 0) {
    }
  });
  EXPECT_EQ(connect("secure", address_of(listener)), bad.errno_name);
  const std::string record = end_of_connection();
  EXPECT_THAT(record, HasSubstr(std::string("\"errno\":\"") + bad.errno_name + "\""));
  EXPECT_THAT(record, HasSubstr(bad.reason));
  EXPECT_THAT(record, HasSubstr("\"bytes_in\":0,\"bytes_out\":0"));
  server.wait();
}

using TlsPeer = ProtocolsTest;

// One address has two names: the one it was last resolved from is the one that the guest means.
TEST_F(TlsPeer, ThatWasResolvedMustProveTheNameItWasResolvedFrom) {
  Profile profile;
  profile.names = "DNS:b.test";
  const Issued issued = root_.issue(profile);
  acme(
      "protocols:\n  secure:\n    transport: tcp\n"
      "    connect: {allow: [\"127.0.0.1:1-65535\", \"a.test:1-65535\", \"b.test:1-65535\"]}\n"
      "    resolver: {hosts: {a.test: [127.0.0.1], b.test: [127.0.0.1]}}\n    tls: {role: client, ca: " +
      file("ca.pem", root_.certificate_pem()) + "}\n");
  start_daemon();
  for (const bool last_is_b : {true, false}) {
    SCOPED_TRACE(last_is_b);
    NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
    NativeTlsSetup setup;
    setup.identity = &issued;
    auto server = serve_once(listener, setup);
    const std::string first = last_is_b ? "a.test" : "b.test", second = last_is_b ? "b.test" : "a.test";
    const Outcome outcome =
        run(guest("semantics", {"resolve secure " + first, "resolve secure " + second, "c= open secure 0.0.0.0:0",
                                "k= connect c " + address_of(listener)}));
    EXPECT_THAT(lines_of(outcome.out).back(), testing::StartsWith(last_is_b ? "success" : "connaborted"))
        << outcome.out;
    server.wait();
  }
}

TEST_F(TlsPeer, TLS_2_WithoutCloseNotifyIsAResetAndNeverAnEnd) {
  Profile profile;
  profile.names = "IP:127.0.0.1";
  const Issued issued = root_.issue(profile);
  acme("protocols:\n" +
       client_protocol("secure", "    tls: {role: client, ca: " + file("ca.pem", root_.certificate_pem()) + "}\n"));
  start_daemon();
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  auto server = std::async(std::launch::async, [&] {
    NativeTlsSetup setup;
    setup.identity = &issued;
    NativeTls peer(listener.accept(), native_tls_context(true, setup), true);
    EXPECT_EQ(peer.handshake(), "");
    peer.write_all("half");
  });
  const Outcome outcome = run(guest("semantics", {"c= open secure 0.0.0.0:0", "k= connect c " + address_of(listener),
                                                  "s= create k", "read s 4", "read s 4", "read s 4"}));
  const auto answers = lines_of(outcome.out);
  ASSERT_EQ(answers.size(), 6u) << outcome.out << outcome.error;
  EXPECT_EQ(answers[3], "success n=4 data=half");
  EXPECT_EQ(answers[4], "connreset");
  EXPECT_EQ(answers[5], "connreset");
  server.wait();
}

}  // namespace
}  // namespace wasi_netd::test
