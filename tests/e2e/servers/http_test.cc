// http_get.wasm and nginx: what arrives is the file.
#include "tests/e2e/servers/server_test.h"

namespace wasi_netd::test {
namespace {

class HttpTest : public ServerTest {
 protected:
  void SetUp() override {
    const auto nginx = find_program("nginx");
    if (!nginx) GTEST_SKIP() << "nginx is not installed";
    std::filesystem::create_directories(path("files"));
    std::ofstream(path("nginx.conf")) << configuration();
    Process::Start start_nginx;
    start_nginx.arguments = {*nginx, "-e", "stderr", "-p", path(""), "-c", path("nginx.conf")};
    server_ = std::make_unique<Process>(std::move(start_nginx));
    ASSERT_TRUE(server_->wait_stderr("start worker process ")) << server_->standard_error();
    start();
  }
  std::string configuration() const {
    std::string text = ::getuid() == 0 ? "user root;\n" : "";  // else its workers could not read the test's files
    text +=
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr notice;\n"
        "events {}\n"
        "http {\n"
        "  access_log off; sendfile on; root files;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      text += std::string("  ") + kind + "_temp_path temp-" + kind + ";\n";
    }
    const std::string port = std::to_string(port_);
    return text + "  server { listen 127.0.0.1:" + port + "; listen [::1]:" + port + "; }\n}\n";
  }
  // Gets a file of `size` bytes through a host that writes the guest's output to another file.
  void expect_unchanged(size_t size, const std::string& address) {
    std::ofstream(path("files/data"), std::ios::binary) << pattern(size);
    const Outcome got = run(manifest({{"acme",
                                       "http_get",
                                       {"net", address, "/data"},
                                       {std::string("engine: ") + GetParam(), "stdout: " + path("got")}}}));
    ASSERT_EQ(got.exit, kDone) << got.out << got.error;
    EXPECT_EQ(sha256(path("got")), sha256(path("files/data")));
  }
  static std::string sha256(const std::string& file) {
    Process::Start start;
    start.arguments = {"sha256sum", file};
    return run(std::move(start)).out.substr(0, 64);
  }
};
WASI_NETD_WITH_ENGINES(HttpTest);

TEST_P(HttpTest, ASmallFileArrivesUnchanged) { expect_unchanged(10'000, at("127.0.0.1")); }
TEST_P(HttpTest, AFileArrivesOverIpv6) { expect_unchanged(10'000, at("[::1]")); }
TEST_P(HttpTest, AFileArrivesFromAServerByName) { expect_unchanged(10'000, at("server.test")); }

TEST_P(HttpTest, WhatTheServerDoesNotHaveIsTheGuestsError) {
  const Outcome missing = client("http_get", {"net", at("127.0.0.1"), "/missing"});
  EXPECT_EQ(missing.exit, (Process::Exit{1, 0}));
  EXPECT_EQ(missing.error, "status 404\n");
}

class LargeHttpTest : public HttpTest {};
INSTANTIATE_TEST_SUITE_P(Engines, LargeHttpTest, testing::Values("wasmtime"));

TEST_P(LargeHttpTest, AHundredMegabytesArriveUnchanged) { expect_unchanged(100'000'000, at("127.0.0.1")); }

}  // namespace
}  // namespace wasi_netd::test
