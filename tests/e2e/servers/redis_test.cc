// A guest that speaks RESP and a redis server.
#include "tests/e2e/servers/server_test.h"

namespace wasi_netd::test {
namespace {

class RedisTest : public ServerTest {
 protected:
  void SetUp() override {
    const auto redis = find_program("redis-server");
    if (!redis) GTEST_SKIP() << "redis-server is not installed";
    Process::Start start_redis;
    start_redis.arguments = {*redis,
                             "--port",
                             std::to_string(port_),
                             "--bind",
                             "127.0.0.1",
                             "::1",
                             "--dir",
                             path(""),
                             "--save",
                             "",
                             "--appendonly",
                             "no",
                             "--unixsocket",
                             path("redis.sock"),
                             "--unixsocketperm",
                             "700"};
    server_ = std::make_unique<Process>(std::move(start_redis));
    ASSERT_TRUE(server_->wait_stdout("eady to accept connections")) << server_->standard_output();
    start(path("redis.sock"));
  }
  void expect_served(const std::string& protocol, const std::string& address) {
    const Outcome guest = client("redis_client", {protocol, address});
    EXPECT_EQ(guest.exit, kDone) << guest.error;
    // What the guest stored is what anybody else finds.
    NativeSocket native = native_connect(native_ip("127.0.0.1", port_));
    native.write_all("GETRANGE binary 65533 65540\r\n");
    std::string expected = "$8\r\n";
    for (uint32_t i = 65533; i <= 65540; ++i) expected += static_cast<char>(i ^ i >> 8 ^ i >> 16);
    EXPECT_EQ(native.read(expected.size()), expected);
  }
};
WASI_NETD_WITH_ENGINES(RedisTest);

TEST_P(RedisTest, AGuestStoresAndReadsBinaryDataOverTcp) { expect_served("net", at("server.test")); }
TEST_P(RedisTest, AGuestStoresAndReadsBinaryDataOverTheUnixSocket) { expect_served("local", path("redis.sock")); }

}  // namespace
}  // namespace wasi_netd::test
