// Peers that must be refused, one test each: the errno, the reason in the detail, and that no byte of application data
// passed in either direction. The peers are OpenSSL without its own precautions, or plain sockets.
#include "tests/loop/tls/tls_test.h"

namespace wasi_netd::net {
namespace {

const policy::NameEndpoint kServer{"server.example", 443};
constexpr const char* kNames = "DNS:server.example";

class TlsRefuses : public TlsTest {
 protected:
  test::Profile profile() const {
    test::Profile out;
    out.names = kNames;
    return out;
  }

  // Our client against a native server that writes as soon as its handshake is over and says what it read.
  void refuse_server(const policy::Tls& policy, const test::NativeTlsSetup& setup, const std::string& reason) {
    Pair pair = tcp_pair();
    test::NativeTls peer(std::move(pair.peer), test::native_tls_context(true, setup), true);
    auto native = std::async(std::launch::async, [&peer] {
      if (peer.handshake().empty()) {
        try {
          peer.write_all("secret of the server");
        } catch (const std::runtime_error&) {
        }
      }
      return peer.read(100);
    });
    const auto connected = run(tls_connect(load(policy), pair.ours, kServer));
    expect_refused(connected, reason);
    expect_over(pair.ours);
    EXPECT_EQ(await(native), "");
  }
  // Our server against a native client that writes as soon as its handshake is over.
  void refuse_client(const policy::Tls& policy, const test::NativeTlsSetup& setup, const std::string& reason) {
    Pair pair = tcp_pair();
    test::NativeTls peer(std::move(pair.peer), test::native_tls_context(false, setup), false);
    auto native = std::async(std::launch::async, [&peer] {
      const bool shaken = peer.handshake().empty();
      try {
        if (shaken) peer.write_all("secret of the client");
      } catch (const std::runtime_error&) {
      }
      return peer.read(100);
    });
    const auto accepted = run(tls_accept(load(policy), pair.ours));
    expect_refused(accepted, reason);
    expect_over(pair.ours);
    EXPECT_EQ(await(native), "");
  }
  // Our client, or our server, against bytes.
  void refuse_bytes(bool client, const std::string& bytes, const std::string& reason) {
    Pair pair = tcp_pair();
    const policy::Tls policy = client ? client_policy() : server_policy(issue(kNames));
    auto shaking = start(client ? tls_connect(load(policy), pair.ours, kServer) : tls_accept(load(policy), pair.ours));
    pair.peer.write_all(bytes);
    pair.peer.shutdown_write();
    expect_refused(finish(shaking), reason);
    expect_over(pair.ours);
  }

  static void expect_refused(const Result<ConnectionPtr>& outcome, const std::string& reason) {
    ASSERT_TRUE(outcome.has_error());
    EXPECT_EQ(outcome.error().code, Errno::connaborted);
    EXPECT_NE(outcome.error().detail.find(reason), std::string::npos) << outcome.error().detail;
  }
  // Nothing is left that could give a byte: the inner connection is closed and its one stream is gone.
  static void expect_over(const ConnectionPtr& inner) {
    EXPECT_EQ(code_of(inner->get_option(Option::kNodelay)), Errno::canceled);
    EXPECT_EQ(code_of(inner->take_stream()), Errno::notsup);
  }

  policy::Tls demanding_policy() {
    policy::Tls policy = server_policy(issue(kNames));
    policy.ca = file("clients.pem", root_.certificate_pem());
    policy.verify = policy::Tls::Verify::kRequired;
    return policy;
  }
  static test::NativeTlsSetup with(const test::Issued& identity) {
    test::NativeTlsSetup setup;
    setup.identity = &identity;
    return setup;
  }
};

TEST_F(TlsRefuses, AnExpiredServer) {
  test::Profile old = profile();
  old.from = -2 * test::kDay;
  old.until = -test::kDay;
  const test::Issued issued = root_.issue(old);
  refuse_server(client_policy(), with(issued), "certificate has expired");
}

TEST_F(TlsRefuses, AServerThatIsNotYetValid) {
  test::Profile early = profile();
  early.from = test::kDay;
  const test::Issued issued = root_.issue(early);
  refuse_server(client_policy(), with(issued), "certificate is not yet valid");
}

TEST_F(TlsRefuses, AServerOfAnotherName) {
  const test::Issued issued = issue("DNS:other.example");
  refuse_server(client_policy(), with(issued), "hostname mismatch");
}

TEST_F(TlsRefuses, ASelfSignedServer) {
  const test::Issued issued = test::Authority::self_signed(profile());
  refuse_server(client_policy(), with(issued), "self-signed certificate");
}

TEST_F(TlsRefuses, AServerOfAnUnknownAuthority) {
  const test::Authority other("Other Root");
  const test::Issued issued = other.issue(profile());
  refuse_server(client_policy(), with(issued), "unable to get local issuer certificate");
}

TEST_F(TlsRefuses, AServerOfAForgedAuthorityOfTheSameName) {
  const test::Authority forged("Test Root");
  const test::Issued issued = forged.issue(profile());
  refuse_server(client_policy(), with(issued), "");
}

TEST_F(TlsRefuses, AServerWhoseIssuerIsNoAuthority) {
  const test::Issued leaf = issue("DNS:leaf.example", "leaf");
  test::Issued issued = test::Authority::self_signed(profile());
  X509_set_issuer_name(issued.certificate.get(), X509_get_subject_name(leaf.certificate.get()));
  X509_sign(issued.certificate.get(), leaf.key.get(), EVP_sha256());
  issued.chain = test::pem(leaf.certificate);
  refuse_server(client_policy(), with(issued), "refused");
}

TEST_F(TlsRefuses, ARevokedServer) {
  const test::Issued revoked = issue(kNames), good = issue(kNames);
  policy::Tls policy = client_policy();
  policy.crl = file("crl.pem", root_.crl({&revoked}));
  refuse_server(policy, with(revoked), "certificate revoked");
  Pair pair = tcp_pair();
  test::NativeTls peer(std::move(pair.peer), test::native_tls_context(true, with(good)), true);
  EXPECT_EQ(code_of(shake(tls_connect(load(policy), pair.ours, kServer), peer).ours), Errno::success);
}

TEST_F(TlsRefuses, AServerOfARevokedIntermediate) {
  const test::Authority between(root_, "Between");
  const test::Issued issued = between.issue(profile());
  test::Memory text(BIO_new_mem_buf(issued.chain.data(), static_cast<int>(issued.chain.size())));
  test::Issued revoked;
  revoked.certificate.reset(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  policy::Tls policy = client_policy();
  policy.crl = file("crl.pem", root_.crl({&revoked}) + between.crl({}));
  refuse_server(policy, with(issued), "certificate revoked");
}

TEST_F(TlsRefuses, AServerWhenTheRevocationListIsOutOfDate) {
  const test::Issued issued = issue(kNames);
  policy::Tls policy = client_policy();
  policy.crl = file("crl.pem", root_.crl({}, -2 * test::kDay, -test::kDay));
  refuse_server(policy, with(issued), "CRL has expired");
}

TEST_F(TlsRefuses, AServerWithAWeakKey) {
  test::Profile weak = profile();
  weak.rsa_bits = 1024;
  const test::Issued issued = root_.issue(weak);
  refuse_server(client_policy(), with(issued), "EE certificate key too weak");
}

TEST_F(TlsRefuses, AServerWithAWeakSignature) {
  test::Profile weak = profile();
  weak.digest = "SHA1";
  const test::Issued issued = root_.issue(weak);
  refuse_server(client_policy(), with(issued), "CA signature digest algorithm too weak");
}

TEST_F(TlsRefuses, AServerWithTls10) {
  const test::Issued issued = issue(kNames);
  test::NativeTlsSetup setup = with(issued);
  setup.lowest = setup.highest = TLS1_VERSION;
  refuse_server(client_policy(), setup, "protocol version");
}

TEST_F(TlsRefuses, AServerWithTls11) {
  const test::Issued issued = issue(kNames);
  test::NativeTlsSetup setup = with(issued);
  setup.lowest = setup.highest = TLS1_1_VERSION;
  refuse_server(client_policy(), setup, "protocol version");
}

TEST_F(TlsRefuses, AServerWithTls12WherePolicyWants13) {
  const test::Issued issued = issue(kNames);
  test::NativeTlsSetup setup = with(issued);
  setup.highest = TLS1_2_VERSION;
  policy::Tls policy = client_policy();
  policy.min_version = policy::Tls::Version::kTls13;
  refuse_server(policy, setup, "protocol version");
}

TEST_F(TlsRefuses, AServerThatSelectsNoAlpn) {
  const test::Issued issued = issue(kNames);
  policy::Tls policy = client_policy();
  policy.alpn = {"h2"};
  refuse_server(policy, with(issued), "ALPN");
}

TEST_F(TlsRefuses, AServerThatSelectsAnAlpnThatWasNotOffered) {
  const test::Issued issued = issue(kNames);
  policy::Tls policy = client_policy();
  policy.alpn = {"h2"};
  test::NativeTlsSetup setup = with(issued);
  setup.alpn = "smtp";
  refuse_server(policy, setup, "bad extension");
}

TEST_F(TlsRefuses, AServerThatDemandsACertificateWeDoNotHave) {
  const test::Issued issued = issue(kNames);
  test::NativeTlsSetup setup = with(issued);
  setup.trusted = root_.certificate_pem();
  setup.demand = true;
  setup.highest = TLS1_2_VERSION;
  refuse_server(client_policy(), setup, "handshake failure");
  // With TLS 1.3 the server's word comes after our handshake, to the first read.
  setup.highest = TLS1_3_VERSION;
  Pair pair = tcp_pair();
  test::NativeTls peer(std::move(pair.peer), test::native_tls_context(true, setup), true);
  const Shaken shaken = shake(tls_connect(load(client_policy()), pair.ours, kServer), peer);
  EXPECT_NE(shaken.native, "");
  ASSERT_TRUE(shaken.ours);
  const auto got = run(read_byte(*(*shaken.ours)->take_stream()));
  EXPECT_EQ(code_of(got), Errno::connaborted);
  EXPECT_NE(got.error().detail.find("certificate required"), std::string::npos) << got.error().detail;
}

TEST_F(TlsRefuses, ATruncatedServer) {
  refuse_bytes(true, std::string("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11), "ended the connection during");
}
TEST_F(TlsRefuses, AServerThatEndsWithoutAWord) { refuse_bytes(true, "", "ended the connection during"); }
TEST_F(TlsRefuses, AServerThatSpeaksPlainHttp) {
  refuse_bytes(true, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "wrong version number");
}
TEST_F(TlsRefuses, AServerThatResetsTheHandshake) {
  Pair pair = tcp_pair();
  auto connecting = start(tls_connect(load(client_policy()), pair.ours, kServer));
  pair.peer.reset();
  expect_refused(finish(connecting), "reset the connection during");
}

TEST_F(TlsRefuses, ATruncatedClient) {
  refuse_bytes(false, std::string("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11), "ended the connection during");
}
TEST_F(TlsRefuses, AClientThatSpeaksPlainHttp) {
  refuse_bytes(false, "GET / HTTP/1.1\r\nHost: server.example\r\n\r\n", "http request");
}
TEST_F(TlsRefuses, AClientThatSpeaksNoiseOfManyRecords) {
  refuse_bytes(false, test::pattern(100'000), "wrong version number");
}
TEST_F(TlsRefuses, AClientThatSpeaksSslv2) {
  refuse_bytes(false, std::string("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11), "");
}

TEST_F(TlsRefuses, AClientWithoutTheRequiredCertificate) {
  test::NativeTlsSetup setup;
  refuse_client(demanding_policy(), setup, "peer did not return a certificate");
  setup.highest = TLS1_2_VERSION;
  refuse_client(demanding_policy(), setup, "peer did not return a certificate");
}

TEST_F(TlsRefuses, AnExpiredClient) {
  test::Profile old;
  old.subject = "old";
  old.from = -2 * test::kDay;
  old.until = -test::kDay;
  const test::Issued issued = root_.issue(old);
  refuse_client(demanding_policy(), with(issued), "certificate has expired");
}

TEST_F(TlsRefuses, AClientOfAnUnknownAuthorityAlsoWhereCertificatesAreOptional) {
  const test::Authority other("Other Root");
  test::Profile client;
  client.subject = "client";
  const test::Issued issued = other.issue(client);
  policy::Tls policy = demanding_policy();
  policy.verify = policy::Tls::Verify::kOptional;
  refuse_client(policy, with(issued), "unable to get local issuer certificate");
}

TEST_F(TlsRefuses, ARevokedClient) {
  const test::Issued issued = issue("", "client");
  policy::Tls policy = demanding_policy();
  policy.crl = file("crl.pem", root_.crl({&issued}));
  refuse_client(policy, with(issued), "certificate revoked");
}

TEST_F(TlsRefuses, AClientWithAWeakKey) {
  test::Profile weak;
  weak.subject = "weak";
  weak.rsa_bits = 1024;
  const test::Issued issued = root_.issue(weak);
  refuse_client(demanding_policy(), with(issued), "EE certificate key too weak");
}

TEST_F(TlsRefuses, AClientWithTls11) {
  test::NativeTlsSetup setup;
  setup.lowest = setup.highest = TLS1_1_VERSION;
  refuse_client(server_policy(issue(kNames)), setup, "unsupported protocol");
}

TEST_F(TlsRefuses, AClientThatOffersOnlyAnotherAlpn) {
  policy::Tls policy = server_policy(issue(kNames));
  policy.alpn = {"h2"};
  test::NativeTlsSetup setup;
  setup.alpn = "smtp";
  refuse_client(policy, setup, "no application protocol");
}

}  // namespace
}  // namespace wasi_netd::net
