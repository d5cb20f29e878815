// What datagrams may take: queues that nobody reads, connections, memory, hosts that are killed.
#include "tests/rpc/broker/datagram_test.h"

namespace wasi_netd::test {
namespace {

class DatagramLimitsTest : public DatagramTest {
 protected:
  void SetUp() override {}
  // What the kernel cannot hold it drops itself, the newest: the daemon reads between.
  void flood(NativeSocket& from, const NativeAddress& to, int count) {
    for (int i = 0; i < count; ++i) {
      std::string datagram = std::to_string(i) + " ";
      datagram.resize(8000, 'x');
      from.send_to(datagram, to);
      if (i % 10 == 0) session_->close("nothing");
    }
  }
};

TEST_F(DatagramLimitsTest, DGRAM_10_AFullQueueLosesItsOldestAndTheAuditRecordCountsThem) {
  start("");
  const Bound control = bind();
  ASSERT_EQ(session_->recv_from(control.handle, true).error(), v1::AGAIN);
  NativeSocket native = peer();
  constexpr int kCount = 400;  // 3 MB at a queue of 256 KiB
  flood(native, control.address, kCount);
  int first = -1, last = -1, got = 0;
  for (v1::RecvFromReply reply; (reply = session_->recv_from(control.handle, true)).error() == v1::SUCCESS; ++got) {
    last = std::stoi(reply.data());
    if (first < 0) first = last;
  }
  EXPECT_GT(got, 10);
  EXPECT_LT(got, kCount / 2);
  EXPECT_GT(first, kCount / 2) << "the oldest go, so what is left is new";
  EXPECT_EQ(session_->close(control.handle), v1::SUCCESS);
  eventually([&] { return !records({"\"close\"", "\"open\"", "\"dropped\":"}).empty(); });
}

TEST_F(DatagramLimitsTest, DGRAM_10_TheSameHoldsForAConnection) {
  start("");
  NativeSocket native = peer();
  const std::string stream = connect(address_of(native));
  ASSERT_EQ(session_->write(stream, "hello").written(), 5u);
  NativeAddress guest;
  native.receive(&guest);
  flood(native, guest, 400);
  const std::string first = session_->read(stream).data();
  EXPECT_GT(std::stoi(first), 200);
  EXPECT_EQ(session_->close(stream), v1::SUCCESS);
  eventually([&] { return !records({"\"close\"", "\"connect\"", "\"dropped\":"}).empty(); });
}

TEST_F(DatagramLimitsTest, ASlowGuestHoldsNobodyUp) {
  start("");
  const Bound slow = bind(), fast = bind();
  for (const Bound* one : {&slow, &fast}) ASSERT_EQ(session_->recv_from(one->handle, true).error(), v1::AGAIN);
  NativeSocket native = peer();
  flood(native, slow.address, 400);
  for (int i = 0; i < 50; ++i) {
    native.send_to(std::to_string(i), fast.address);
    EXPECT_EQ(session_->recv_from(fast.handle).data(), std::to_string(i));
  }
}

TEST_F(DatagramLimitsTest, AHostThatDoesNotReadItsTransferHoldsNobodyUpEither) {
  start("");
  NativeSocket native = peer();
  RawTransfer unread(*host_, session_->token(), connect(address_of(native)));
  ASSERT_TRUE(unread.datagrams({"hello"}));
  NativeAddress guest;
  native.receive(&guest);
  flood(native, guest, 400);
  const Bound fast = bind();
  ASSERT_EQ(session_->recv_from(fast.handle, true).error(), v1::AGAIN);
  for (int i = 0; i < 50; ++i) {
    native.send_to(std::to_string(i), fast.address);
    EXPECT_EQ(session_->recv_from(fast.handle).data(), std::to_string(i));
    ASSERT_TRUE(unread.datagrams({std::to_string(i)})) << "its other direction goes on";
    EXPECT_EQ(native.receive(), std::to_string(i));
  }
  EXPECT_LT(daemon_->counts().buffers, 1u << 20);
  unread.break_off();
  eventually([&] { return daemon_->counts().connections == 0; });
}

TEST_F(DatagramLimitsTest, QUOTA_2_EachPeerOfAListeningControlCountsAsAConnection) {
  start("limits: {connections: 2}\n");
  const Bound server = bind();
  ASSERT_EQ(session_->listen(server.handle), v1::SUCCESS);
  std::vector<NativeSocket> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(peer());
    peers.back().send_to("x", server.address);
  }
  std::vector<v1::HandleReply> connections;
  connections.reserve(2);
  for (int i = 0; i < 2; ++i) connections.push_back(session_->accept(server.handle));
  EXPECT_EQ(daemon_->counts().connections, 2u);
  EXPECT_EQ(session_->accept(server.handle, true).error(), v1::AGAIN);
  EXPECT_EQ(session_->close(connections[0].handle()), v1::SUCCESS);
  EXPECT_EQ(session_->accept(server.handle).error(), v1::SUCCESS) << "the third waited for room";
}

TEST_F(DatagramLimitsTest, QUOTA_3_WithoutBuffersNothingIsHeld) {
  start("limits: {buffers: 160KiB}\n");
  NativeSocket native = peer();
  const std::string stream = connect(address_of(native));
  RawTransfer only(*host_, session_->token(), stream);
  ASSERT_EQ(only.opened(), v1::SUCCESS);  // takes all there is
  RawTransfer second(*host_, session_->token(), connect(address_of(native)));
  EXPECT_EQ(second.opened(), v1::NOBUFS);
  const std::string control = session_->open_datagram("net", "0.0.0.0:0").handle();
  EXPECT_EQ(session_->send_to(control, address_of(native), "x"), v1::NOBUFS);
  EXPECT_EQ(session_->recv_from(control, true).error(), v1::NOBUFS);
  // What comes in for the stream finds no room in its queue; it is dropped and nothing else happens.
  ASSERT_TRUE(only.datagrams({"out"}));
  NativeAddress guest;
  EXPECT_EQ(native.receive(&guest), "out");
  native.send_to("dropped", guest);
  ASSERT_TRUE(only.datagrams({"still out"}));
  EXPECT_EQ(native.receive(), "still out");
  EXPECT_TRUE(only.close().ok());
  eventually([&] { return daemon_->counts().buffers == 0; });
}

TEST_F(DatagramLimitsTest, EverythingComesBackWhenTheHostBreaksOff) {
  start("");
  NativeSocket native = peer();
  const Bound unconnected = bind(), server = bind();
  ASSERT_EQ(session_->listen(server.handle), v1::SUCCESS);
  ASSERT_EQ(session_->recv_from(unconnected.handle, true).error(), v1::AGAIN);
  flood(native, unconnected.address, 20);
  native.send_to("x", server.address);
  const v1::HandleReply accepted = session_->accept(server.handle);
  ASSERT_EQ(accepted.error(), v1::SUCCESS);
  RawTransfer transfer(*host_, session_->token(), connect(address_of(native)));
  ASSERT_EQ(session_->send_to(unconnected.handle, address_of(native), "x"), v1::SUCCESS);
  EXPECT_GT(daemon_->counts().buffers, 0u);
  session_->abandon();
  eventually([&] {
    const auto left = daemon_->counts();
    return left.buffers == 0 && left.connections == 0 && left.handles == 0 && left.sessions == 0;
  });
}

TEST_F(DatagramLimitsTest, TheDaemonStopsBesideAFlood) {
  start("");
  const Bound control = bind(), server = bind();
  ASSERT_EQ(session_->listen(server.handle), v1::SUCCESS);
  auto waiting = std::async(std::launch::async, [&] { return session_->accept(server.handle).error(); });
  NativeSocket native = peer();
  flood(native, control.address, 50);
  flood(native, server.address, 50);
  EXPECT_EQ(waiting.get(), v1::SUCCESS);
  session_->abandon();
  daemon_.stop();
}

}  // namespace
}  // namespace wasi_netd::test
