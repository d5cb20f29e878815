// The same http_get.wasm gets the same bytes by whatever its protocol's name stands for.
#include "tests/e2e/protocols/protocols_test.h"
#include "tests/e2e/servers/server_test.h"
#include "tests/support/real_server.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;

class SameGuestTest : public ProtocolsTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    const auto nginx = find_program("nginx");
    if (!nginx || !find_program("microsocks") || !find_program("tinyproxy")) {
      GTEST_SKIP() << "nginx, microsocks and tinyproxy must be installed";
    }
    Profile server;
    server.names = "IP:127.0.0.1,DNS:server.test,DNS:localhost";
    const Issued server_identity = root_.issue(server);
    Profile client;
    client.subject = "acme";
    const Issued client_identity = root_.issue(client);
    const std::string ca = file("ca.pem", root_.certificate_pem());
    file("server.pem", server_identity.certificate_pem());
    file("server.key", pem(server_identity.key));
    const std::string certificate = file("client.pem", client_identity.certificate_pem());
    const std::string key = file("client.key", pem(client_identity.key));

    std::filesystem::create_directories(path("files"));
    std::ofstream(path("files/data"), std::ios::binary) << pattern(1'000'000);
    std::ofstream(path("nginx.conf")) << configuration();
    Process::Start start_nginx;
    start_nginx.arguments = {*nginx, "-e", "stderr", "-p", path(""), "-c", path("nginx.conf")};
    nginx_ = std::make_unique<Process>(std::move(start_nginx));
    ASSERT_TRUE(nginx_->wait_stderr("start worker process ")) << nginx_->standard_error();

    std::ofstream(path("tinyproxy.conf")) << "";
    std::filesystem::permissions(path(""), std::filesystem::perms(0755));
    socks_ = std::make_unique<RealServer>([](uint16_t port) {
      return std::vector<std::string>{"microsocks", "-i", "127.0.0.1", "-p", std::to_string(port)};
    });
    http_ = std::make_unique<RealServer>([this](uint16_t port) {
      std::ofstream(path("tinyproxy.conf")) << "Listen 127.0.0.1\nPort " << port << "\nTimeout 60\n";
      std::filesystem::permissions(path("tinyproxy.conf"), std::filesystem::perms(0644));
      return std::vector<std::string>{"tinyproxy", "-d", "-c", path("tinyproxy.conf")};
    });
    const std::string tls = "    tls: {role: client, ca: " + ca + "}\n";
    const std::string socks = "    proxy: {url: \"socks5://127.0.0.1:" + std::to_string(socks_->port()) + "\"}\n";
    const std::string connect = "    proxy: {url: \"http://127.0.0.1:" + std::to_string(http_->port()) + "\"}\n";
    acme("protocols:\n" + client_protocol("plain", "") + client_protocol("tls", tls) +
         client_protocol("mutual", "    tls: {role: client, ca: " + ca + ", certificate: " + certificate +
                                       ", key: " + key + "}\n") +
         client_protocol("socks", socks + tls) + client_protocol("connect", connect + tls) +
         "  remote:\n    transport: tcp\n    connect: {allow: [\"localhost:1-65535\", \"server.test:1\"]}\n" + tls +
         "    proxy: {url: \"socks5://127.0.0.1:" + std::to_string(socks_->port()) + "\", resolve: proxy}\n");
    start_daemon();
  }
  std::string configuration() const {
    std::string text = ::getuid() == 0 ? "user root;\n" : "";
    text +=
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr notice;\nevents {}\nhttp {\n"
        "  access_log off; root files; ssl_certificate server.pem; ssl_certificate_key server.key;\n"
        "  ssl_client_certificate ca.pem; ssl_protocols TLSv1.2 TLSv1.3;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      text += std::string("  ") + kind + "_temp_path temp-" + kind + ";\n";
    }
    return text + "  server { listen 127.0.0.1:" + std::to_string(plain_) +
           "; }\n  server { listen 127.0.0.1:" + std::to_string(tls_) +
           " ssl; }\n  server { listen 127.0.0.1:" + std::to_string(mutual_) + " ssl; ssl_verify_client on; }\n}\n";
  }
  // The bytes that http_get.wasm wrote.
  std::string get(const std::string& protocol, uint16_t port, const std::string& host) {
    const std::string got = path("got-" + protocol);
    const Outcome outcome = run(manifest({{"acme",
                                           "http_get",
                                           {protocol, host + ":" + std::to_string(port), "/data"},
                                           {std::string("engine: ") + GetParam(), "stdout: " + got}}}));
    EXPECT_EQ(outcome.exit, kDone) << protocol << ": " << outcome.out << outcome.error;
    return contents(got);
  }

  const uint16_t plain_ = free_port(), tls_ = free_port(), mutual_ = free_port();
  std::unique_ptr<Process> nginx_;
  std::unique_ptr<RealServer> socks_, http_;
};
INSTANTIATE_TEST_SUITE_P(Engines, SameGuestTest, testing::Values("wasmtime", "wabt"),
                         [](const auto& engine) { return std::string(engine.param); });

TEST_P(SameGuestTest, GetsTheSameBytesPlainByTlsWithACertificateAndThroughProxies) {
  const std::string file = contents(path("files/data"));
  for (const char* host : {"127.0.0.1", "server.test"}) {
    SCOPED_TRACE(host);
    EXPECT_TRUE(get("plain", plain_, host) == file);
    EXPECT_TRUE(get("tls", tls_, host) == file);
    EXPECT_TRUE(get("mutual", mutual_, host) == file);
    EXPECT_TRUE(get("socks", tls_, host) == file);
    EXPECT_TRUE(get("connect", tls_, host) == file);
  }
}

TEST_P(SameGuestTest, PROXY_3_DoesNotResolveWhereTheProxyDoes) {
  const auto answers = lines_of(run(guest("semantics",
                                          {"resolve remote server.test", "c= open remote 0.0.0.0:0",
                                           "k= connect c localhost:" + std::to_string(tls_)},
                                          {"--engine", GetParam()}))
                                    .out);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0], "notsup");
  EXPECT_THAT(answers[2], testing::StartsWith("success"))
      << "the proxy knows localhost, and the server is verified as that";
}

TEST_P(SameGuestTest, IsToldWhatTheConnectionIs) {
  const auto info = [this](const std::string& protocol, uint16_t port) {
    const Outcome outcome =
        run(guest("semantics",
                  {"c= open " + protocol + " 0.0.0.0:0", "k= connect c server.test:" + std::to_string(port), "info k"},
                  {"--engine", GetParam()}));
    return outcome.out;
  };
  EXPECT_THAT(info("plain", plain_), HasSubstr("transport=tcp"));
  const std::string tls = info("mutual", mutual_);
  EXPECT_THAT(tls, HasSubstr("tls_version=TLSv1.3"));
  EXPECT_THAT(tls, HasSubstr("peer_name=server.test"));
  EXPECT_THAT(tls, HasSubstr("tls_cipher=TLS_"));
}

}  // namespace
}  // namespace wasi_netd::test
