// Guests that serve: the same echo_server.wasm in the clear and by TLS, and clients that must not get as far as it.
#include "tests/e2e/protocols/protocols_test.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class TlsServerTest : public ProtocolsTest {
 protected:
  void SetUp() override {
    Profile profile;
    profile.names = "DNS:server.test";
    const Issued identity = root_.issue(profile);
    const std::string server = "role: server, certificate: " + file("server.pem", identity.certificate_pem()) +
                               ", key: " + file("server.key", pem(identity.key));
    const std::string ca = file("clients.pem", root_.certificate_pem());
    acme("protocols:\n" + server_protocol("plain", "") + server_protocol("secure", "    tls: {" + server + "}\n") +
         server_protocol("demanding",
                         "    tls: {" + server + ", verify: required, handshake_timeout: 500ms, ca: " + ca + "}\n"));
    start_daemon();
  }
  static std::string server_protocol(const std::string& name, const std::string& sections) {
    return "  " + name +
           ":\n    transport: tcp\n    open: {allow: [\"127.0.0.1:0\"]}\n    accept: {allow: [\"127.0.0.1\"]}\n" +
           sections;
  }
  Process serve(const std::string& protocol, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {protocol, "127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Process(guest("echo_server", arguments));
  }
  NativeTls client(uint16_t port, NativeTlsSetup setup = {}) {
    setup.trusted = root_.certificate_pem();
    return NativeTls(native_connect(native_ip("127.0.0.1", port)), native_tls_context(false, setup), false,
                     "server.test");
  }
};

TEST_F(TlsServerTest, TheSameGuestServesPlainAndTlsClients) {
  Process plain = serve("plain", {"--connections", "1"});
  Process secure = serve("secure", {"--connections", "1"});
  NativeSocket one = native_connect(native_ip("127.0.0.1", announced_port(plain)));
  one.write_all("hello");
  EXPECT_EQ(one.read(5), "hello");
  one.close();
  NativeTls other = client(announced_port(secure));
  ASSERT_EQ(other.handshake(), "");
  const std::string text = pattern(300'000);
  auto writing = std::async(std::launch::async, [&] { other.write_all(text); });
  EXPECT_TRUE(other.read(text.size()) == text);
  writing.wait();
  other.shutdown_write();
  EXPECT_EQ(other.read(1), "");
  EXPECT_EQ(plain.wait(), kDone) << plain.standard_error();
  EXPECT_EQ(secure.wait(), kDone) << secure.standard_error();
}

// The secrets of a connection, once the environment and the configuration both ask for them.
TEST_F(TlsServerTest, SecretsAreLoggedOnlyWhereTheConfigurationSaysSoToo) {
  end_daemon();
  for (const bool configured : {false, true}) {
    SCOPED_TRACE(configured);
    if (configured) daemon_.configure("debug: {tls_key_log: environment}\n");
    Process::Start start = daemon_.command();
    start.environment = {"SSLKEYLOGFILE=" + path("keys")};
    ASSERT_TRUE(daemon_.launch(std::move(start)).wait_ready()) << daemon_.process().standard_error();
    Process server = serve("secure", {"--connections", "1"});
    NativeTls peer = client(announced_port(server));
    ASSERT_EQ(peer.handshake(), "");
    peer.shutdown_write();
    EXPECT_EQ(peer.read(1), "");
    peer.close();
    EXPECT_EQ(server.wait(), kDone) << server.standard_error();
    end_daemon();
    EXPECT_EQ(std::filesystem::exists(path("keys")), configured);
    EXPECT_EQ(daemon_.process().standard_error().find("the keys of TLS connections are written") != std::string::npos,
              configured);
  }
  EXPECT_THAT(contents(path("keys")), HasSubstr("SERVER_TRAFFIC_SECRET_0 "));
}

TEST_F(TlsServerTest, AuditModeOpensNoDirectionInTheClear) {
  end_daemon();
  acme("mode: audit\nprotocols:\n" +
       server_protocol("secure", "    tls: {role: server, certificate: " + path("server.pem") +
                                     ", key: " + path("server.key") + "}\n") +
       client_protocol("dialling", "    tls: {role: client, ca: " + path("clients.pem") + "}\n"));
  start_daemon();
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  EXPECT_EQ(connect("secure", "192.0.2.1:443"), "acces");
  const Outcome outcome = run(guest("semantics", {"c= open dialling 0.0.0.0:0", "listen c"}));
  EXPECT_EQ(lines_of(outcome.out).back(), "acces");
}

TEST_F(TlsServerTest, TLS_3_OnlyClientsThatProveThemselvesReachTheGuest) {
  Process server = serve("demanding", {"--connections", "1"});
  const uint16_t port = announced_port(server);
  // Held open meanwhile: a handshake that does not come holds up nobody.
  const NativeSocket silent = native_connect(native_ip("127.0.0.1", port));
  {
    NativeSocket http = native_connect(native_ip("127.0.0.1", port));
    http.write_all("GET / HTTP/1.1\r\n\r\n");
    char rest[512];
    while (::recv(http.fd(), rest, sizeof rest, 0) > 0) {
    }
  }
  NativeTls stranger = client(port);
  (void)stranger.handshake();  // TLS 1.3: the client is done before the server has judged it
  EXPECT_EQ(stranger.read(1), "");
  NativeTlsSetup old;
  old.lowest = old.highest = TLS1_1_VERSION;
  EXPECT_NE(client(port, old).handshake(), "");

  Profile profile;
  profile.subject = "a client";
  const Issued identity = root_.issue(profile);
  NativeTlsSetup setup;
  setup.identity = &identity;
  NativeTls good = client(port, setup);
  ASSERT_EQ(good.handshake(), "");
  good.write_all("hello");
  EXPECT_EQ(good.read(5), "hello");
  good.shutdown_write();
  EXPECT_EQ(good.read(1), "");
  good.close();
  EXPECT_EQ(server.wait(), kDone) << server.standard_error();  // the good one was its first
  end_daemon();
  const auto refused = records({"\"event\":\"close\"", "\"operation\":\"accept\"", "\"errno\":\"connaborted\""});
  EXPECT_THAT(refused, testing::Each(HasSubstr("\"bytes_in\":0,\"bytes_out\":0")));
  EXPECT_THAT(refused, testing::Contains(HasSubstr("peer did not return a certificate")));
  EXPECT_THAT(refused, testing::Contains(HasSubstr("unsupported protocol")));
  EXPECT_THAT(refused, testing::Contains(HasSubstr("http request")));
  EXPECT_THAT(records({"\"event\":\"close\"", "\"errno\":\"success\""}), SizeIs(1));
}

}  // namespace
}  // namespace wasi_netd::test
