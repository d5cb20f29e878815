// The daemon is killed and comes back: DAEMON rows.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    daemon_.add_tenant("acme",
                       "protocols:\n"
                       "  tcp:\n"
                       "    transport: tcp\n"
                       "    connect: {allow: [\"127.0.0.1:1-65535\", \"slow.example:1-65535\"]}\n"
                       "    open: {allow: [\"127.0.0.1:0\"]}\n"
                       "    accept: {allow: [\"127.0.0.1\"]}\n"
                       "    resolver: {timeout: 5m, servers: [\"127.0.0.1:" +
                           std::to_string(name_server_.local_port()) + "\"]}\n");
  }
  void SetUp() override {
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
    guest_ = std::make_unique<Guest>(socket());
    ASSERT_THAT(guest_->ask("c= open tcp 0.0.0.0:0"), StartsWith("success"));
    ASSERT_THAT(guest_->ask("k= connect c 127.0.0.1:" + std::to_string(listener_.local_port())), StartsWith("success"));
    ASSERT_THAT(guest_->ask("s= create k"), StartsWith("success"));
    peer_ = listener_.accept();
    ASSERT_THAT(guest_->ask("l= open tcp 127.0.0.1:0"), StartsWith("success"));
    ASSERT_EQ(guest_->ask("listen l 0"), "success");
  }
  std::string socket() const { return daemon_.socket_path("acme"); }
  void kill_daemon() {
    daemon_.process().kill(SIGKILL);
    ASSERT_TRUE(daemon_.process().wait());
  }

  DaemonProcess daemon_;
  NativeSocket name_server_ = native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM);  // never answers
  NativeSocket listener_ = native_listen(native_ip("127.0.0.1", 0));
  NativeSocket peer_;
  std::unique_ptr<Guest> guest_;
};

class PendingTest : public DaemonTest, public testing::WithParamInterface<const char*> {};

TEST_P(PendingTest, DAEMON_1_APendingCallEndsAtOnce) {
  guest_->tell(GetParam());
  ASSERT_TRUE(guest_->waits());
  // A write waits for room now and then on its way. From here on what it waits for cannot come any more.
  daemon_.process().kill(SIGSTOP);
  ASSERT_TRUE(guest_->waits());
  kill_daemon();
  EXPECT_THAT(guest_->answer(), HasSubstr("connaborted"));
}
INSTANTIATE_TEST_SUITE_P(Calls, PendingTest,
                         testing::Values("read s 1", "recv s 5 waitall", "fill s 1000000000", "accept l",
                                         "sockaccept l"),
                         [](const auto& row) {
                           const std::string call = row.param;
                           return call.substr(0, call.find(' '));
                         });

TEST_F(DaemonTest, DAEMON_1_AConnectThatNobodyAnswersEnds) {
  const NativeSocket full = native_listen(native_ip("127.0.0.1", 0), 0);
  const std::string address = "127.0.0.1:" + std::to_string(full.local_port());
  const NativeSocket filler = native_connect(native_ip("127.0.0.1", full.local_port()));
  guest_->tell("connect c " + address);
  ASSERT_TRUE(guest_->waits());
  kill_daemon();
  EXPECT_EQ(guest_->answer(), "connaborted");
}

TEST_F(DaemonTest, DAEMON_1_ALookUpThatNobodyAnswersEnds) {
  guest_->tell("resolve tcp slow.example");
  name_server_.wait(POLLIN);  // it was asked
  ASSERT_TRUE(guest_->waits());
  kill_daemon();
  EXPECT_EQ(guest_->answer(), "connaborted");
}

TEST_F(DaemonTest, DAEMON_1_AConnectToANameThatNobodyAnswersEnds) {
  guest_->tell("connect c slow.example:80");
  name_server_.wait(POLLIN);
  ASSERT_TRUE(guest_->waits());
  kill_daemon();
  EXPECT_EQ(guest_->answer(), "connaborted");
}

TEST_F(DaemonTest, DAEMON_1_APollEndsToo) {
  guest_->tell("poll - s:r l:r");
  ASSERT_TRUE(guest_->waits());
  kill_daemon();
  EXPECT_THAT(guest_->answer(), StartsWith("success n=2 "));
}

TEST_F(DaemonTest, DAEMON_2_WhatItHeldIsBadUntilItIsClosed) {
  guest_->tell("read s 1");
  ASSERT_TRUE(guest_->waits());
  kill_daemon();
  EXPECT_EQ(guest_->answer(), "connaborted");
  for (const char* call : {"read s 1", "write s x", "shutdown s wr", "poll - s:r", "accept l", "listen c 0", "peer k",
                           "connect c 127.0.0.1:1", "fdstat s", "local l"}) {
    EXPECT_THAT(guest_->ask(call), HasSubstr("badf")) << call;
  }
  for (const char* fd : {"s", "k", "c", "l"}) {
    EXPECT_EQ(guest_->ask(std::string("close ") + fd), "success") << fd;
    EXPECT_EQ(guest_->ask(std::string("close ") + fd), "badf") << fd;
  }
}

TEST_F(DaemonTest, DAEMON_3_ProtocolsComeBackWithTheDaemon) {
  kill_daemon();
  EXPECT_THAT(guest_->ask("open tcp 0.0.0.0:0"), Not(StartsWith("success")));
  ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  EXPECT_THAT(guest_->ask("d= open tcp 0.0.0.0:0"), StartsWith("success"));
  EXPECT_THAT(guest_->ask("m= connect d 127.0.0.1:" + std::to_string(listener_.local_port())), StartsWith("success"));
  EXPECT_THAT(guest_->ask("t= create m"), StartsWith("success"));
  EXPECT_EQ(guest_->ask("write t again"), "success n=5");
  EXPECT_EQ(listener_.accept().read(5), "again");
  EXPECT_EQ(guest_->ask("read s 1"), "badf") << "what was lost stays lost";
}

}  // namespace
}  // namespace wasi_netd::test
