// Datagrams: the DGRAM rows, and what others say of datagrams.
#include <fstream>

#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class DatagramTest : public SemanticsTest {
 protected:
  // Protocol `udp` reaches loopback but for 127.0.0.66 and hears 127.0.0.1; `unix` both what lies in the daemon's
  // directory.
  static void SetUpTestSuite() {
    daemon_ = std::make_unique<DaemonProcess>();
    const std::string directory = daemon_->directory();
    daemon_->add_tenant("acme",
                        "protocols:\n"
                        "  tcp: {transport: tcp, connect: {allow: [\"127.0.0.1\"]}}\n"
                        "  udp:\n"
                        "    transport: udp\n"
                        "    connect: {allow: [\"127.0.0.0/8\", \"[::1]\", \"*.example\"], deny: [\"127.0.0.66\"]}\n"
                        "    open: {allow: [\"127.0.0.0/8\", \"[::1]\"]}\n"
                        "    accept: {allow: [\"127.0.0.1\", \"[::1]\"]}\n"
                        "    resolver: {hosts: {here.example: [127.0.0.1]}}\n"
                        "  unix:\n"
                        "    transport: unix\n"
                        "    connect: {allow: [\"" +
                            directory + "/s/\"]}\n    open: {allow: [\"" + directory +
                            "/s/\"]}\n    accept: {allow: [\"" + directory + "/s/\"]}\n");
    std::filesystem::create_directory(directory + "/s");
    daemon_->configure("audit: {file: " + directory + "/audit.jsonl}\n");
    ASSERT_TRUE(daemon_->start()) << daemon_->process().standard_error();
  }
  static NativeSocket native(const std::string& ip = "127.0.0.1") { return native_bind(native_ip(ip, 0), SOCK_DGRAM); }
  // The guest's stream `s` of datagrams with the peer, which learns where the guest is.
  NativeAddress connect_guest(NativeSocket& peer, const std::string& flags = "0") {
    succeed("c= open udp 0.0.0.0:0 type=5");
    succeed("k= connect c " + address_of(peer));
    succeed("s= create k flags=" + flags);
    succeed("write s hello");
    NativeAddress guest;
    EXPECT_EQ(peer.receive(&guest), "hello");
    return guest;
  }
  // The guest's control `c` on loopback; where.
  NativeAddress bind_guest(const std::string& flags = "0") {
    succeed("c= open udp 127.0.0.1:0 type=5 flags=" + flags);
    return native_ip("127.0.0.1", port_of("c"));
  }
};

TEST_F(DatagramTest, BIND_5_TypesThatTheTransportLacks) {
  EXPECT_EQ(ask("open udp 0.0.0.0:0"), "prototype");
  EXPECT_EQ(ask("open tcp 0.0.0.0:0 type=5"), "prototype");
  EXPECT_EQ(ask("open udp 0.0.0.0:0 type=4"), "inval");
  succeed("open unix " + daemon_->directory() + "/s/x type=5");
}

TEST_F(DatagramTest, FDSTAT_1_AnFdOfDatagramsSaysSo) {
  NativeSocket peer = native();
  connect_guest(peer);
  for (const char* fd : {"c", "k", "s"}) EXPECT_THAT(ask(std::string("fdstat ") + fd), HasSubstr("type=5")) << fd;
}

TEST_F(DatagramTest, DGRAM_1_NoTransportHasSeveralStreams) {
  NativeSocket peer = native();
  connect_guest(peer);
  EXPECT_EQ(ask("dgram k"), "notsup");
  EXPECT_EQ(ask("uni k"), "notsup");
  EXPECT_EQ(ask("create k"), "notsup") << "and the one stream is taken";
}

TEST_F(DatagramTest, DGRAM_2_OneReadOrWriteIsOneDatagram) {
  NativeSocket peer = native();
  const NativeAddress guest = connect_guest(peer);
  EXPECT_EQ(ask("write s one"), "success n=3");
  EXPECT_EQ(ask("write s "), "success n=0");
  EXPECT_EQ(ask("send s three"), "success n=5");
  for (const char* sent : {"one", "", "three"}) EXPECT_EQ(peer.receive(), sent);
  for (const char* sent : {"abcdef", "", "second", "third"}) peer.send_to(sent, guest);
  EXPECT_EQ(ask("recv s 3 peek"), "success n=3 data=abc truncated");
  EXPECT_EQ(ask("recv s 3 waitall"), "success n=3 data=abc truncated");
  EXPECT_EQ(ask("recv s 9"), "success n=0 data=");
  EXPECT_EQ(ask("recv s 9 waitall"), "success n=6 data=second") << "waitall waits for no second one";
  EXPECT_EQ(ask("read s 2"), "success n=2 data=th");
}

TEST_F(DatagramTest, DGRAM_3_MoreThanADatagramHoldsIsMsgsize) {
  NativeSocket peer = native();
  connect_guest(peer);
  EXPECT_EQ(errno_after("fill s 65536"), "msgsize");
  EXPECT_EQ(errno_after("sendsize c " + address_of(peer) + " 65508"), "msgsize");
  EXPECT_EQ(ask("sendsize c " + address_of(peer) + " 65507"), "success n=65507");
  EXPECT_EQ(peer.receive().size(), 65507U);
}

TEST_F(DatagramTest, DGRAM_4_AnErrorOfTheNetworkIsToldOnceAndTheStreamGoesOn) {
  NativeSocket peer = native();
  connect_guest(peer);
  const NativeAddress there = native_ip("127.0.0.1", peer.local_port());
  peer.close();
  succeed("write s into-the-void");
  EXPECT_EQ(ask("read s 1"), "connrefused");
  peer = native_bind(there, SOCK_DGRAM);
  EXPECT_EQ(ask("write s again"), "success n=5");
  EXPECT_EQ(peer.receive(), "again");
}

TEST_F(DatagramTest, DGRAM_5_ASendIsJudgedAsAConnect) {
  NativeSocket peer = native(), denied = native("127.0.0.66");
  succeed("c= open udp 0.0.0.0:0 type=5");
  EXPECT_EQ(ask("sendto c " + address_of(peer) + " by address"), "success n=10");
  EXPECT_EQ(peer.receive(), "by address");
  EXPECT_EQ(ask("sendto c here.example:" + std::to_string(peer.local_port()) + " by name"), "success n=7");
  EXPECT_EQ(peer.receive(), "by name");
  EXPECT_EQ(ask("sendto c " + address_of(denied, "127.0.0.66") + " x"), "acces");
  EXPECT_EQ(ask("sendto c 8.8.8.8:53 x"), "acces");
  EXPECT_EQ(ask("sendto c other.test:53 x"), "acces");
  EXPECT_EQ(ask("sendto c 127.0.0.1 x"), "inval");
}

TEST_F(DatagramTest, DGRAM_6_WhoIsNeitherAdmittedNorWasSentToIsNotHeard) {
  const NativeAddress guest_at = bind_guest("4");
  EXPECT_EQ(ask("recvfrom c 9"), "again");
  NativeSocket refused = native("127.0.0.3"), admitted = native();
  refused.send_to("refused", guest_at);
  admitted.send_to("admitted", guest_at);
  EXPECT_THAT(ask("poll - c:r"), HasSubstr("r success nbytes=8"));
  EXPECT_EQ(ask("recvfrom c 99"), "success n=8 from=" + address_of(admitted) + " data=admitted");
  EXPECT_EQ(ask("recvfrom c 99"), "again");

  succeed("d= open udp 0.0.0.0:0 type=5");
  succeed("sendto d " + address_of(refused, "127.0.0.3") + " question");
  NativeAddress from;
  EXPECT_EQ(refused.receive(&from), "question");
  refused.send_to("answer", from);
  EXPECT_EQ(ask("recvfrom d 99"), "success n=6 from=" + address_of(refused, "127.0.0.3") + " data=answer");
}

TEST_F(DatagramTest, DGRAM_7_PeersOfAListeningControlAreConnections) {
  const NativeAddress guest_at = bind_guest();
  succeed("listen c 0");
  EXPECT_EQ(ask("recvfrom c 9"), "inval");
  EXPECT_EQ(ask("sendto c 127.0.0.1:9 x"), "inval");
  NativeSocket one = native(), two = native(), refused = native("127.0.0.3");
  refused.send_to("refused", guest_at);
  one.send_to("one", guest_at);
  EXPECT_THAT(ask("poll - c:r"), HasSubstr("r success"));
  succeed("k= accept c");
  succeed("s= saccept k");
  two.send_to("two", guest_at);
  succeed("t= sockaccept c");
  EXPECT_EQ(ask("peer s"), "success text=" + address_of(one));
  EXPECT_EQ(ask("peer t"), "success text=" + address_of(two));
  EXPECT_EQ(ask("read s 9"), "success n=3 data=one");
  EXPECT_EQ(ask("read t 9"), "success n=3 data=two");
  succeed("write t answer");
  EXPECT_EQ(two.receive(), "answer");
  succeed("u= open unix " + daemon_->directory() + "/s/listen type=5");
  EXPECT_EQ(ask("listen u 0"), "notsup");
}

TEST_F(DatagramTest, DGRAM_8_WhileAConnectionUsesTheSocketTheControlHasNone) {
  NativeSocket peer = native();
  bind_guest();
  succeed("k= connect c " + address_of(peer));
  EXPECT_EQ(ask("sendto c " + address_of(peer) + " x"), "isconn");
  EXPECT_EQ(ask("recvfrom c 9"), "isconn");
  EXPECT_EQ(ask("connect c " + address_of(peer)), "isconn");
}

TEST_F(DatagramTest, DGRAM_9_PollTellsOfEachKindOfFdAndTheSizeOfTheNextDatagram) {
  NativeSocket peer = native();
  const NativeAddress guest_at = connect_guest(peer);
  succeed("b= open udp 127.0.0.1:0 type=5");
  const NativeAddress bound_at = native_ip("127.0.0.1", port_of("b"));
  EXPECT_EQ(ask("poll 0 s:r b:r"), "success n=1 [1000000:clock success]");
  EXPECT_THAT(ask("poll - s:w"), HasSubstr("w success"));
  EXPECT_THAT(ask("poll - b:w"), HasSubstr("w success"));
  peer.send_to("seven77", guest_at);
  EXPECT_THAT(ask("poll - s:r"), HasSubstr("r success nbytes=7]"));
  peer.send_to("to the control", bound_at);
  EXPECT_THAT(ask("poll - b:r"), HasSubstr("r success nbytes=14]"));
  EXPECT_THAT(ask("poll - b:r"), HasSubstr("r success nbytes=14]")) << "until it is read";
  EXPECT_EQ(ask("recvfrom b 99"), "success n=14 from=" + address_of(peer) + " data=to\\x20the\\x20control");
  // An empty one is there as well, and is no end.
  peer.send_to("", bound_at);
  EXPECT_THAT(ask("poll - b:r"), HasSubstr("r success nbytes=0]"));
}

TEST_F(DatagramTest, DGRAM_10_AGuestThatDoesNotReadKeepsTheNewest) {
  const NativeAddress guest_at = bind_guest("4");
  EXPECT_EQ(ask("recvfrom c 9"), "again");
  NativeSocket peer = native();
  for (int i = 0; i < 400; ++i) {
    std::string datagram = std::to_string(i) + "|";
    datagram.resize(8000, 'x');
    peer.send_to(datagram, guest_at);
    // What the kernel cannot hold it drops itself, the newest: the daemon shall read between.
    if (i % 10 == 0) succeed("local c");
  }
  const std::string first = value_of(ask("recvfrom c 9"), "data");
  EXPECT_GT(std::stoi("0" + first), 100);
  succeed("close c");
  std::ifstream audit(daemon_->directory() + "/audit.jsonl");
  const auto deadline = std::chrono::steady_clock::now() + Process::kPatience;
  bool counted = false;
  while (!counted && std::chrono::steady_clock::now() < deadline) {
    audit.clear();
    for (std::string line; std::getline(audit, line);) counted = counted || line.find("\"dropped\":") != line.npos;
  }
  EXPECT_TRUE(counted);
}

TEST_F(DatagramTest, DGRAM_11_ASendersAddressThatHasNoRoomLeavesTheDatagramToTheNextCall) {
  const NativeAddress guest_at = bind_guest();
  NativeSocket peer = native();
  peer.send_to("kept", guest_at);
  const std::string address = address_of(peer);
  EXPECT_EQ(ask("recvfrom c 9 capacity=3"), "overflow length=" + std::to_string(address.size()));
  EXPECT_THAT(ask("poll - c:r"), HasSubstr("r success nbytes=4]"));
  EXPECT_EQ(ask("recvfrom c 9"), "success n=4 from=" + address + " data=kept");
}

TEST_F(DatagramTest, DGRAM_12_WhatWasSentLeavesAlthoughTheGuestEndsAtOnce) {
  for (const char* last : {"close s", "exit 0"}) {
    NativeSocket peer = native();
    Guest brief(socket());
    brief.tell("c= open udp 0.0.0.0:0 type=5");
    brief.tell("k= connect c " + address_of(peer));
    brief.tell("s= create k");
    for (int i = 0; i < 40; ++i) brief.tell("write s " + std::to_string(i));
    brief.tell("sendto c " + address_of(peer) + " by send_to");
    brief.tell(last);
    std::vector<std::string> got;
    got.reserve(41);
    for (int i = 0; i < 41; ++i) got.push_back(peer.receive());
    std::erase(got, "by send_to");
    ASSERT_EQ(got.size(), 40U);
    for (int i = 0; i < 40; ++i) EXPECT_EQ(got[i], std::to_string(i)) << last;
  }
}

TEST_F(DatagramTest, DAEMON_1_ACallThatWaitsEndsWithTheDaemon) {
  DaemonProcess daemon;
  daemon.add_tenant("acme", "protocols: {udp: {transport: udp, connect: {allow: [\"127.0.0.1\"]}}}\n");
  ASSERT_TRUE(daemon.start()) << daemon.process().standard_error();
  Guest one(daemon.socket_path("acme")), other(daemon.socket_path("acme"));
  NativeSocket peer = native();
  for (Guest* guest : {&one, &other}) EXPECT_THAT(guest->ask("c= open udp 0.0.0.0:0 type=5"), StartsWith("success"));
  EXPECT_THAT(other.ask("k= connect c " + address_of(peer)), StartsWith("success"));
  EXPECT_THAT(other.ask("s= create k"), StartsWith("success"));
  one.tell("recvfrom c 9");
  other.tell("read s 9");
  ASSERT_TRUE(one.waits());
  ASSERT_TRUE(other.waits());
  daemon.process().kill(SIGKILL);
  EXPECT_EQ(one.answer(), "connaborted");
  EXPECT_EQ(other.answer(), "connaborted");
  EXPECT_EQ(one.ask("recvfrom c 9"), "badf");
  EXPECT_EQ(other.ask("write s x"), "badf");
}

}  // namespace
}  // namespace wasi_netd::test
