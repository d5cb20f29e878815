// Guests that serve and send datagrams, in the whole chain; and hosts that are killed.
#include "tests/e2e/host/host_test.h"

namespace wasi_netd::test {
namespace {

constexpr const char* kUdp = R"(
protocols:
  udp:
    transport: udp
    connect: {allow: ["127.0.0.1", "[::1]"]}
    open: {allow: ["127.0.0.1", "[::1]"]}
    accept: {allow: ["127.0.0.1", "[::1]"]}
)";

class UdpEchoTest : public EngineTest {
 protected:
  // Several peers, datagrams of all sizes, each answered to whom it came from.
  void serve(const std::vector<std::string>& style) {
    acme(kUdp);
    start_daemon();
    for (const std::string ip : {"127.0.0.1", "::1"}) {
      GuestInput input(path("input-" + ip));
      input.open();
      std::vector<std::string> arguments = {"udp", ip == "::1" ? "[::1]:0" : "127.0.0.1:0", "--until-stdin-closes"};
      arguments.insert(arguments.end(), style.begin(), style.end());
      Process::Start start = guest("udp_echo", arguments, engine());
      start.arguments.insert(start.arguments.begin(), {"sh", "-c", "exec \"$@\" <\"$0\"", input.path()});
      Process host(std::move(start));
      const NativeAddress server = native_ip(ip, announced_port(host));
      std::vector<NativeSocket> peers;
      for (int i = 0; i < 8; ++i) {
        NativeSocket& peer = peers.emplace_back(native_bind(native_ip(ip, 0), SOCK_DGRAM));
        ASSERT_EQ(::connect(peer.fd(), server.get(), server.size), 0);
      }
      for (const size_t size : {0, 1, 512, 1472, 9000, 65'507}) {
        for (size_t i = 0; i < peers.size(); ++i) {
          const std::string sent = pattern(size, static_cast<uint32_t>(i));
          ASSERT_EQ(::send(peers[i].fd(), sent.data(), sent.size(), 0), static_cast<ssize_t>(size));
          EXPECT_TRUE(peers[i].receive() == sent) << size << " bytes, peer " << i;
        }
      }
      input.close();
      EXPECT_EQ(host.wait(), kDone) << host.standard_error();
    }
  }
};
WASI_NETD_WITH_ENGINES(UdpEchoTest);

TEST_P(UdpEchoTest, WithRecvFromAndSendTo) { serve({}); }
TEST_P(UdpEchoTest, WithAConnectionForEachPeer) { serve({"--accept"}); }

using DatagramHostTest = HostTest;

TEST_F(DatagramHostTest, AKilledHostLeavesItsPortsAndItsPlacesToTheNext) {
  acme(std::string(kUdp) + "limits: {connections: 1, sessions: 1, handles: 4}\n");
  start_daemon();
  NativeSocket peer = native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM);
  const std::vector<std::string> sends = {"c= open udp 127.0.0.1:0 type=5",
                                          "local c",
                                          "k= connect c " + address_of(peer),
                                          "s= create k",
                                          "write s hello",
                                          "read s 9"};
  std::string where;
  for (int i = 0; i < 3; ++i) {
    std::vector<std::string> commands = sends;
    if (!where.empty()) commands[0] = "c= open udp " + where + " type=5";  // the port is free again
    Process host(guest("semantics", commands));
    ASSERT_TRUE(host.wait_stdout("success n=5\n")) << host.standard_output() << host.standard_error();
    EXPECT_EQ(peer.receive(), "hello");
    where = lines_of(host.standard_output()).at(1);
    where = where.substr(where.find("text=") + 5);
    host.kill(SIGKILL);
    EXPECT_EQ(host.wait(), (Process::Exit{-1, SIGKILL}));
  }
  end_daemon();
  EXPECT_EQ(records({"\"close\"", "\"connect\"", "\"bytes_out\":5", "\"connaborted\""}).size(), 3U);
}

}  // namespace
}  // namespace wasi_netd::test
