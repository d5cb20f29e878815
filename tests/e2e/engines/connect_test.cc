// Connecting, at once and later: CONNECT, NONBLOCK, PEER and STREAM rows.
#include <thread>

#include "tests/e2e/engines/own_network.h"
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class ConnectTest : public SemanticsTest {
 protected:
  // A listener whose backlog is full: the kernel drops who comes next, until somebody is accepted or it closes.
  struct FullListener {
    NativeSocket listener = native_listen(native_ip("127.0.0.1", 0), 0);
    NativeSocket filler = native_connect(native_ip("127.0.0.1", listener.local_port()));
  };
};

TEST_F(ConnectTest, CONNECT_1_NobodyListensThere) {
  const NativeSocket bound = native_bind(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  EXPECT_EQ(errno_after("connect c " + address_of(bound)), "connrefused");
  { const NativeSocket gone = native_listen(native_unix(daemon_->directory() + "/s/gone")); }
  succeed("u= open unix @" + daemon_->directory() + "c");
  EXPECT_EQ(errno_after("connect u " + daemon_->directory() + "/s/gone"), "connrefused");
}

TEST_F(ConnectTest, NONBLOCK_1_ACallThatWouldWaitAnswersAgain) {
  listen_guest("127.0.0.1:0", "4");
  EXPECT_EQ(ask("accept l"), "again");
  EXPECT_EQ(ask("sockaccept l"), "again");
  NativeSocket peer = connect_guest("4");
  EXPECT_EQ(ask("read s 1"), "again");
  EXPECT_EQ(ask("recv s 1"), "again");
  EXPECT_EQ(ask("recv s 1 peek"), "again");
  // Nothing was done: the byte that comes later is all there.
  peer.write_all("x");
  succeed("poll - s:r");
  EXPECT_EQ(ask("read s 5"), "success n=1 data=x");
}

TEST_F(ConnectTest, NONBLOCK_2_AConnectionComesAtOnceAndPollsWritableWhenDecided) {
  FullListener full;
  succeed("c= open tcp 0.0.0.0:0 flags=4");
  succeed("k= connect c " + address_of(full.listener));
  EXPECT_EQ(ask("poll 0 k:w"), "success n=1 [1000000:clock success]");
  full.listener.accept();
  EXPECT_THAT(ask("poll - k:w"), HasSubstr("w success"));
  succeed("s= create k");
  NativeSocket peer = full.listener.accept();
  succeed("write s hello");
  EXPECT_EQ(peer.read(5), "hello");
}

TEST_F(ConnectTest, NONBLOCK_3_AStreamOfAnUndecidedConnectionIsAgain) {
  FullListener full;
  succeed("c= open tcp 0.0.0.0:0 flags=4");
  succeed("k= connect c " + address_of(full.listener));
  EXPECT_EQ(ask("create k"), "again");
  EXPECT_EQ(ask("saccept k"), "again");
  full.listener.close();
  EXPECT_THAT(ask("poll - k:w"), HasSubstr("w success"));
  EXPECT_EQ(ask("create k"), "connrefused");
}

// Not SemanticsTest: its daemon has to live where there are no routes.
TEST(UnreachableTest, NONBLOCK_3_AStreamWhereNoRouteLeadsIsNetunreach) {
  // A network of its own belongs to a thread; the others of this program keep theirs.
  std::string none;
  std::thread([&] {
    if (none = enter_own_network(); !none.empty()) return;
    DaemonProcess daemon;
    daemon.add_tenant(
        "acme", "protocols: {tcp: {transport: tcp, connect: {allow: [\"192.0.2.1:80\", \"[2001:db8::1]:80\"]}}}\n");
    ASSERT_TRUE(daemon.start()) << daemon.process().standard_error();
    Guest guest(daemon.socket_path("acme"));
    for (const char* place : {"0.0.0.0:0 192.0.2.1:80", "[::]:0 [2001:db8::1]:80"}) {
      const std::string words = place;
      const size_t space = words.find(' ');
      ASSERT_THAT(guest.ask("c= open tcp " + words.substr(0, space) + " flags=4"), StartsWith("success"));
      ASSERT_THAT(guest.ask("k= connect c " + words.substr(space + 1)), StartsWith("success"));
      EXPECT_THAT(guest.ask("poll - k:w"), HasSubstr("w success"));
      EXPECT_EQ(guest.ask("create k"), "netunreach") << place;
      EXPECT_EQ(guest.ask("saccept k"), "netunreach") << place;
      ASSERT_EQ(guest.ask("setflags c 0"), "success");
      EXPECT_EQ(guest.ask("connect c " + words.substr(space + 1)), "netunreach") << place;
    }
  }).join();
  if (!none.empty()) GTEST_SKIP() << none;
}

TEST_F(ConnectTest, NONBLOCK_4_NonBlockingPassesOn) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0 flags=4");
  succeed("k= connect c " + address_of(listener));
  EXPECT_EQ(value_of(ask("fdstat k"), "flags"), "4");
  succeed("poll - k:w");
  succeed("s= saccept k");
  EXPECT_EQ(value_of(ask("fdstat s"), "flags"), "4");
  succeed("setflags c 0");
  succeed("j= connect c " + address_of(listener));
  EXPECT_EQ(value_of(ask("fdstat j"), "flags"), "0");

  const NativeAddress place = listen_guest("127.0.0.1:0", "4");
  NativeSocket peer = native_connect(place);
  succeed("poll - l:r");
  succeed("m= accept l");
  EXPECT_EQ(value_of(ask("fdstat m"), "flags"), "4");
  // A stream that is created has the flags that its creator says.
  succeed("t= create m");
  EXPECT_EQ(value_of(ask("fdstat t"), "flags"), "0");
}

TEST_F(ConnectTest, PEER_1_WithoutAPeerThereIsNoAddress) {
  listen_guest();
  EXPECT_EQ(ask("peer l"), "notconn");
  succeed("c= open tcp 0.0.0.0:0");
  EXPECT_EQ(ask("peer c"), "notconn");
  FullListener full;
  succeed("d= open tcp 0.0.0.0:0 flags=4");
  succeed("u= connect d " + address_of(full.listener));
  EXPECT_EQ(ask("peer u"), "notconn");

  NativeSocket peer = connect_guest();
  const std::string here = "127.0.0.1:" + std::to_string(peer.local_port());
  EXPECT_EQ(ask("peer k"), "success text=" + here);
  EXPECT_EQ(ask("peer s"), "success text=" + here);
}

TEST_F(ConnectTest, STREAM_1_ASecondStreamIsNotSupported) {
  NativeSocket peer = connect_guest();
  EXPECT_EQ(ask("create k"), "notsup");
  EXPECT_EQ(ask("saccept k"), "notsup");
}

TEST_F(ConnectTest, STREAM_2_EitherCallTakesTheStreamOnEitherSide) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  succeed("k= connect c " + address_of(listener));
  succeed("s= saccept k");
  succeed("write s one");
  EXPECT_EQ(listener.accept().read(3), "one");

  const NativeAddress place = listen_guest();
  for (const char* take : {"t= create m", "t= saccept m"}) {
    NativeSocket peer = native_connect(place);
    succeed("m= accept l");
    succeed(take);
    succeed("write t two");
    EXPECT_EQ(peer.read(3), "two");
  }
}

}  // namespace
}  // namespace wasi_netd::test
