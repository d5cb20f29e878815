// Hosts that the tenant admits and that turn HTTP/2 against the daemon: what they can make it hold, and for how long.
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/daemon/host_session.h"
#include "tests/support/daemon_process.h"
#include "tests/support/raw_http2.h"

namespace wasi_netd::test {
namespace {

constexpr Process::Exit kDone{0, 0};
constexpr const char* kUnknown = "/none/Such";

class HostileHostTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.add_tenant("acme", std::string(DaemonProcess::kNothing) + "limits: {host_connections: 4}\n");
    daemon_.configure("drain: 100ms\n");
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  }
  std::string socket() const { return daemon_.socket_path("acme"); }
  // A host whose replies fill every buffer on their way, because it takes none.
  RawHttp2 silent_host() {
    RawHttp2 host(socket());
    host.call_until_full(kUnknown, 3000);
    return host;
  }

  DaemonProcess daemon_;
};

TEST_F(HostileHostTest, AHostThatEndsItsHalfIsGoneAlthoughItTookNoReply) {
  std::vector<RawHttp2> hosts;
  for (int i = 0; i < 12; ++i) {
    RawHttp2& host = hosts.emplace_back(silent_host());
    host.socket().shutdown_write();
    host.socket().wait(0);  // the daemon has let go of it
  }
  HostSession session(socket());
  EXPECT_TRUE(session.is_open());
}

TEST_F(HostileHostTest, HostsThatTakeNoReplyDoNotHoldUpTheEnd) {
  std::vector<RawHttp2> hosts;
  for (int i = 0; i < 4; ++i) hosts.push_back(silent_host());
  for (int i = 0; i < 2; ++i) hosts[i].socket().shutdown_write();
  const auto begin = std::chrono::steady_clock::now();
  daemon_.process().kill(SIGTERM);
  EXPECT_EQ(daemon_.process().wait(), kDone);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace wasi_netd::test
