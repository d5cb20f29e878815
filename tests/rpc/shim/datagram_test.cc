// Datagrams through the shim: a stream's and a control's, what a poll tells of them, full windows, the end.
#include "tests/rpc/shim/shim_test.h"

namespace wasi_netd::test {
namespace {

class ShimDatagrams : public ShimTest {
 protected:
  void SetUp() override {
    const std::string place = directory_ / "s/";
    std::filesystem::create_directory(place);
    start_daemon(R"(
protocols:
  net:
    transport: udp
    connect: {allow: ["127.0.0.1"]}
    open: {allow: ["127.0.0.1"]}
    accept: {allow: ["127.0.0.1"]}
  local:
    transport: unix
    connect: {allow: [")" +
                 place + R"("]}
    open: {allow: [")" +
                 place + R"("]}
    accept: {allow: [")" +
                 place + R"("]}
)");
    tenant_.emplace(socket_path());
    guest_.emplace(*tenant_);
  }
  Fd stream(const std::string& protocol, const std::string& address, uint32_t fdflags = 0) {
    const Fd control = guest_->open_datagram(guest_->protocol(protocol), protocol == "local" ? "" : "0.0.0.0:0");
    return guest_->connect(control, address).stream(client::kInherited, fdflags);
  }
  static NativeSocket native() { return native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM); }
  wasi_netd_errno write_errno(Fd& fd, std::string_view data = "x") {
    std::error_code error;
    fd.write(data, error);
    return errno_of(error);
  }

  std::optional<Tenant> tenant_;
  std::optional<Guest> guest_;
};

TEST_F(ShimDatagrams, DGRAM_2_AReadTellsOfACutAndAPeekLeavesAll) {
  NativeSocket peer = native();
  Fd fd = stream("net", address(peer));
  fd.write("hello");
  NativeAddress guest;
  EXPECT_EQ(peer.receive(&guest), "hello");
  for (const char* sent : {"abcdef", "", "last"}) peer.send_to(sent, guest);
  std::error_code error;
  Fd::Datagram got = fd.receive(error, 3, WASI_NETD_RECV_PEEK);
  EXPECT_EQ(got.data, "abc");
  EXPECT_TRUE(got.truncated);
  got = fd.receive(error, 6, WASI_NETD_RECV_WAITALL);
  EXPECT_EQ(got.data, "abcdef");
  EXPECT_FALSE(got.truncated);
  got = fd.receive(error, 99, WASI_NETD_RECV_WAITALL);
  EXPECT_EQ(got.data, "");
  EXPECT_FALSE(error);
  EXPECT_EQ(fd.read(99), "last");
}

TEST_F(ShimDatagrams, DGRAM_9_PollGivesTheSizeOfTheNextOfStreamsAndOfControls) {
  NativeSocket peer = native();
  Fd fd = stream("net", address(peer));
  fd.write("hello");
  NativeAddress guest;
  peer.receive(&guest);
  Fd control = guest_->open_datagram(guest_->protocol("net"), "127.0.0.1:0");
  const std::string where = control.local_address();
  const NativeAddress bound =
      native_ip("127.0.0.1", static_cast<uint16_t>(std::stoi(where.substr(where.find(':') + 1))));
  const wasi_netd_subscription both[] = {read_of(fd), read_of(control), after(std::chrono::milliseconds(0))};
  EXPECT_EQ(guest_->poll(both).size(), 1u) << "the clock";
  peer.send_to("seven77", guest);
  auto events = guest_->poll({both, 2});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].nbytes, 7u);
  EXPECT_EQ(fd.read(9), "seven77");
  peer.send_to("four", bound);
  events = guest_->poll({both, 2});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, static_cast<uint64_t>(control.number()));
  EXPECT_EQ(events[0].nbytes, 4u);
  const Fd::Datagram got = control.receive_from();
  EXPECT_EQ(got.data, "four");
  EXPECT_EQ(got.peer, address(peer));
}

TEST_F(ShimDatagrams, AFullWindowAnswersAgainAndPollTellsOfRoom) {
  const std::string path = directory_ / "s/full";
  NativeSocket peer = native_bind(native_unix(path), SOCK_DGRAM);
  Fd fd = stream("local", path, WASI_NETD_FDFLAG_NONBLOCK);
  const std::string chunk(60'000, 'x');
  int taken = 0;
  // The peer's queue, the daemon's frame and the shim's queue fill up, one after the other.
  for (bool full = false; !full;) {
    const wasi_netd_subscription interest[] = {write_of(fd), after(std::chrono::milliseconds(300))};
    const auto events = guest_->poll(interest);
    full = events.size() == 1 && events[0].type == WASI_NETD_EVENT_CLOCK;
    if (!full && write_errno(fd, chunk) == WASI_NETD_ERRNO_success) ++taken;
  }
  EXPECT_EQ(write_errno(fd, chunk), WASI_NETD_ERRNO_again);
  std::thread reader([&] {
    for (int i = 0; i < taken; ++i) EXPECT_EQ(peer.receive().size(), chunk.size());
  });
  const wasi_netd_subscription room = write_of(fd);
  EXPECT_EQ(guest_->poll({&room, 1}).size(), 1u);
  reader.join();
  EXPECT_EQ(write_errno(fd, chunk), WASI_NETD_ERRNO_success);
  EXPECT_EQ(peer.receive().size(), chunk.size());
}

TEST_F(ShimDatagrams, DGRAM_4_WhoNeverReadsHearsOfErrorsFromWritesAndIsNotHeldUp) {
  NativeSocket peer = native();
  const NativeAddress there = native_ip("127.0.0.1", peer.local_port());
  Fd fd = stream("net", address(peer));
  fd.write("hello");
  NativeAddress guest;
  EXPECT_EQ(peer.receive(&guest), "hello");
  // More than the host and gRPC take without a read.
  for (int i = 0; i < 300; ++i) {
    peer.send_to(std::string(8000, 'x'), guest);
    if (i % 10 == 0) fd.write("x");
  }
  peer.close();
  for (int refused = 0; refused < 50;) {
    const wasi_netd_errno error = write_errno(fd);
    if (error == WASI_NETD_ERRNO_connrefused) ++refused;
    ASSERT_TRUE(error == WASI_NETD_ERRNO_connrefused || error == WASI_NETD_ERRNO_success);
  }
  peer = native_bind(there, SOCK_DGRAM);
  // What was written before comes first, more than the peer's buffer holds.
  do {
    while (write_errno(fd, "back") != WASI_NETD_ERRNO_success) {
    }
  } while (peer.receive() != "back");
}

TEST_F(ShimDatagrams, DGRAM_12_WhatWasWrittenLeavesBeforeACloseAndBeforeTheGuestsEnd) {
  NativeSocket peer = native();
  {
    Fd fd = stream("net", address(peer));
    for (int i = 0; i < 100; ++i) fd.write(std::to_string(i));
  }
  Fd left = stream("net", address(peer));
  left.write("at the end");
  left.release();
  guest_.reset();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(peer.receive(), std::to_string(i));
  EXPECT_EQ(peer.receive(), "at the end");
}

TEST_F(ShimDatagrams, WaitingCallsEndWhenTheDaemonGoesOrTheGuestIsInterrupted) {
  NativeSocket peer = native();
  Fd control = guest_->open_datagram(guest_->protocol("net"), "127.0.0.1:0");
  Fd fd = stream("net", address(peer));
  std::thread stopper([&] { stop_daemon(); });
  std::error_code error;
  control.receive_from(error);
  expect_gone(errno_of(error));
  fd.receive(error);
  expect_gone(errno_of(error));
  stopper.join();
}

TEST_F(ShimDatagrams, DGRAM_11_ASendersAddressWithoutRoomKeepsTheDatagram) {
  NativeSocket peer = native();
  Fd control = guest_->open_datagram(guest_->protocol("net"), "127.0.0.1:0", WASI_NETD_FDFLAG_NONBLOCK);
  const std::string where = control.local_address();
  const NativeAddress bound =
      native_ip("127.0.0.1", static_cast<uint16_t>(std::stoi(where.substr(where.find(':') + 1))));
  std::error_code error;
  control.receive_from(error);
  EXPECT_EQ(errno_of(error), WASI_NETD_ERRNO_again);
  peer.send_to("kept", bound);
  const wasi_netd_subscription readable = read_of(control);
  ASSERT_EQ(guest_->poll({&readable, 1}).size(), 1u);
  char data[9], from[64];
  const wasi_netd_iovec iov{data, sizeof data};
  size_t length = 0, count = 77;
  uint32_t flags = 77;
  EXPECT_EQ(wasi_netd_recv_from(guest_->get(), control.number(), &iov, 1, from, 3, &length, &count, &flags),
            WASI_NETD_ERRNO_overflow);
  EXPECT_EQ(length, address(peer).size());
  EXPECT_EQ(count, 77u);
  EXPECT_EQ(guest_->poll({&readable, 1}).at(0).nbytes, 4u) << "it is still there";
  EXPECT_EQ(control.receive_from().data, "kept");
  EXPECT_EQ(wasi_netd_recv_from(guest_->get(), control.number(), &iov, 1, nullptr, 3, &length, &count, &flags),
            WASI_NETD_ERRNO_inval);
}

}  // namespace
}  // namespace wasi_netd::test
