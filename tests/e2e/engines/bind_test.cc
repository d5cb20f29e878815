// Controls and what they are bound to: BIND, LISTEN and LOCAL rows.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class BindTest : public SemanticsTest {
 protected:
  // How many sockets the daemon has; 0 where this user may not know.
  static size_t daemon_sockets() {
    std::error_code error;
    size_t count = 0;
    const std::string directory = "/proc/" + std::to_string(daemon_->process().pid()) + "/fd";
    for (std::filesystem::directory_iterator fd(directory, error), end; !error && fd != end; fd.increment(error)) {
      const auto target = std::filesystem::read_symlink(fd->path(), error);
      count += target.string().starts_with("socket:") ? 1 : 0;
    }
    return count;
  }
};

TEST_F(BindTest, BIND_1_AnyAddressWithPortZeroMakesNoSocketUntilOneIsNeeded) {
  ask("list");
  const size_t before = daemon_sockets();
  succeed("c= open tcp 0.0.0.0:0");
  succeed("d= open tcp [::]:0");
  EXPECT_EQ(daemon_sockets(), before);
  succeed("local c");
  if (before > 0) {
    EXPECT_EQ(daemon_sockets(), before + 1);
  }
  succeed("listen d 0");
  if (before > 0) {
    EXPECT_EQ(daemon_sockets(), before + 2);
  }
}

TEST_F(BindTest, BIND_1_TheRightAloneIsAskedFor) {
  DaemonProcess daemon;
  daemon.add_tenant("acme", "protocols: {web: {transport: tcp, connect: {allow: [\"127.0.0.1:1-65535\"]}}}\n");
  ASSERT_TRUE(daemon.start()) << daemon.process().standard_error();
  Guest client(daemon.socket_path("acme"));
  EXPECT_THAT(client.ask("c= open web 0.0.0.0:0"), StartsWith("success"));
  EXPECT_EQ(client.ask("open web 127.0.0.1:0"), "acces");
  EXPECT_THAT(client.ask("p= restrict web none none"), StartsWith("success"));
  EXPECT_EQ(client.ask("open p 0.0.0.0:0"), "notcapable");
}

TEST_F(BindTest, BIND_2_AnyOtherAddressBindsAtOnceIfARuleAllowsIt) {
  const NativeSocket taken = native_listen(native_ip("127.0.0.1", 0));
  EXPECT_EQ(errno_after("open tcp " + address_of(taken)), "addrinuse");
  EXPECT_EQ(errno_after("open tcp 127.0.0.66:0"), "acces");
  EXPECT_EQ(errno_after("open tcp 192.0.2.1:1"), "acces");
  succeed("c= open tcp 127.0.0.1:0");
  const uint16_t port = port_of("c");
  EXPECT_THROW(native_bind(native_ip("127.0.0.1", port)), std::system_error);
  succeed("close c");
  EXPECT_NO_THROW(native_bind(native_ip("127.0.0.1", port)));

  const std::string path = daemon_->directory() + "/s/bound";
  succeed("u= open unix " + path);
  EXPECT_TRUE(std::filesystem::is_socket(path));
  EXPECT_EQ(errno_after("open unix " + daemon_->directory() + "/outside"), "acces");
}

TEST_F(BindTest, BIND_3_AnIpv6SocketLeavesThePortFreeForIpv4) {
  NativeSocket ipv4 = native_listen(native_ip("0.0.0.0", 0));
  const std::string port = std::to_string(ipv4.local_port());
  succeed("c= open tcp [::]:" + port);
  succeed("listen c 0");
  native_connect(native_ip("127.0.0.1", ipv4.local_port()));
  EXPECT_NO_THROW(ipv4.accept());
}

TEST_F(BindTest, BIND_4_AnAnyControlConnectsAgainAndAgain) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  for (int i = 0; i < 3; ++i) succeed("connect c " + address_of(listener));
}

TEST_F(BindTest, BIND_4_AFixedPortHasOneConnectionAtATime) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  NativeSocket other = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 127.0.0.1:0");
  const uint16_t port = port_of("c");
  succeed("k= connect c " + address_of(listener));
  NativeSocket peer = listener.accept();
  EXPECT_EQ(peer.peer_port(), port);
  EXPECT_EQ(errno_after("connect c " + address_of(other)), "isconn");
  // The peer ends first, so that its side keeps the port busy.
  succeed("s= create k");
  peer.close();
  EXPECT_EQ(ask("read s 1"), "success n=0 data=");
  succeed("close s");
  succeed("close k");
  std::string again;
  while ((again = errno_after("k= connect c " + address_of(other))) == "isconn") {
  }
  EXPECT_EQ(again, "success");
}

TEST_F(BindTest, BIND_5_ATypeThatTheTransportLacks) {
  EXPECT_EQ(errno_after("open tcp 0.0.0.0:0 type=5"), "prototype");
  EXPECT_EQ(errno_after("open unix @" + daemon_->directory() + "5 type=5"), "success") << "it has both";
  EXPECT_EQ(errno_after("open tcp 0.0.0.0:0 type=4"), "inval") << "not a socket's type";
}

TEST_F(BindTest, LISTEN_1_WhatAControlIsAlreadyRulesOutTheRest) {
  listen_guest();
  EXPECT_EQ(errno_after("listen l 0"), "inval");
  EXPECT_EQ(errno_after("connect l 127.0.0.1:1"), "inval");
  succeed("c= open tcp 127.0.0.1:0");
  EXPECT_EQ(errno_after("accept c"), "inval");
  EXPECT_EQ(errno_after("sockaccept c"), "inval");
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("connect c " + address_of(listener));
  EXPECT_EQ(errno_after("listen c 0"), "inval");
  EXPECT_EQ(errno_after("accept c"), "inval");
}

TEST_F(BindTest, LOCAL_1_TheRealPortIsTold) {
  const NativeAddress place = listen_guest();
  NativeSocket client = native_connect(place);
  succeed("k= accept l");
  EXPECT_EQ(ask("local k"), ask("local l"));
  EXPECT_EQ(port_of("k"), client.peer_port());

  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  const uint16_t port = port_of("c");
  EXPECT_NE(port, 0);
  succeed("m= connect c " + address_of(listener));
  EXPECT_EQ(listener.accept().peer_port(), port) << "the socket that it got is the one that connects";
}

}  // namespace
}  // namespace wasi_netd::test
