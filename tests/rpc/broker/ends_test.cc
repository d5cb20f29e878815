// How streams, sessions and tenants end when a host does the unusual: several handles of one stream, rights that go
// while bytes are on their way, an end that overtakes.
#include <future>

#include "tests/rpc/broker/broker_test.h"

namespace wasi_netd::test {
namespace {

constexpr uint64_t kRead = uint64_t{1} << 1, kWrite = uint64_t{1} << 6, kPoll = uint64_t{1} << 27,
                   kShutdown = uint64_t{1} << 28;

class EndsTest : public BrokerTest {
 protected:
  // Everything comes, or the test says how much did.
  static std::future<std::string> read_all(NativeSocket& peer) {
    return std::async(std::launch::async, [&peer] { return peer.read_to_end(); });
  }
};

TEST_F(EndsTest, ClosingAnotherHandleLeavesTheTransferAlone) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  const auto twin = session.restrict(made.stream.handle(), made.stream.rights().base());
  RawTransfer transfer(host, session.token(), made.stream.handle());
  ASSERT_EQ(transfer.opened(), v1::SUCCESS);
  transfer.data("all ");
  EXPECT_EQ(session.close(twin.handle()), v1::SUCCESS);
  transfer.data("of it");
  EXPECT_TRUE(transfer.close().ok());
  EXPECT_EQ(peer.read_to_end(), "all of it");
}

TEST_F(EndsTest, AStreamWithASecondHandleDeliversBeforeItsSessionEnds) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  (void)session.restrict(made.stream.handle(), made.stream.rights().base());
  RawTransfer transfer(host, session.token(), made.stream.handle());
  ASSERT_EQ(transfer.opened(), v1::SUCCESS);
  const std::string chunk(64 * 1024, 'x');
  auto ending = std::async(std::launch::async, [&] {
    for (int i = 0; i < 64; ++i) transfer.data(chunk);
    return transfer.close().ok();
  });
  auto ended = std::async(std::launch::async, [&] { return session.end().ok(); });
  EXPECT_EQ(peer.read_to_end().size(), 64u * chunk.size());
  EXPECT_TRUE(ending.get());
  EXPECT_TRUE(ended.get());
}

TEST_F(EndsTest, BytesThatWereRefusedAreNotFollowedByAnOrderlyEnd) {
  for (const bool by_fin : {true, false}) {
    SCOPED_TRACE(by_fin);
    Host host(daemon_.socket_path("acme"));
    RawSession session(host);
    const Stream made = connected_stream(session, peer_address());
    NativeSocket peer = accept_peer();
    RawTransfer transfer(host, session.token(), made.stream.handle());
    transfer.data("half");
    EXPECT_EQ(peer.read(4), "half");
    EXPECT_EQ(session.set_rights(made.stream.handle(), made.stream.rights().base() & ~kWrite), v1::SUCCESS);
    transfer.data(" an upload");
    EXPECT_EQ(session.write_ended(made.stream.handle()), v1::NOTCAPABLE);
    if (by_fin) {
      transfer.fin();
      EXPECT_EQ(peer.read_error(), ECONNRESET);
    }
    EXPECT_TRUE(transfer.close().ok());
    EXPECT_EQ(peer.read_error(), by_fin ? 0 : ECONNRESET);  // a reset is told once
  }
}

TEST_F(EndsTest, NarrowingTravelsBehindTheBytes) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  RawTransfer transfer(host, session.token(), made.stream.handle());
  const std::string chunk(64 * 1024, 'x');
  auto reading = read_all(peer);
  for (int i = 0; i < 32; ++i) transfer.data(chunk);
  transfer.narrow(kRead);
  EXPECT_TRUE(transfer.close().ok());
  EXPECT_EQ(reading.get().size(), 32u * chunk.size());
}

TEST_F(EndsTest, NarrowingNeverWidens) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  EXPECT_EQ(session.set_rights(made.stream.handle(), made.stream.rights().base() & ~kWrite), v1::SUCCESS);
  RawTransfer transfer(host, session.token(), made.stream.handle());
  transfer.narrow(kAllRights);
  transfer.data("not allowed");
  EXPECT_EQ(session.write_ended(made.stream.handle()), v1::NOTCAPABLE);
}

TEST_F(EndsTest, WhatAResetPeerHadSentIsReadAlthoughOurBytesAreLostAndEnded) {
  for (const bool by_fin : {true, false}) {
    SCOPED_TRACE(by_fin);
    Host host(daemon_.socket_path("acme"));
    RawSession session(host);
    const Stream made = connected_stream(session, peer_address());
    NativeSocket peer = accept_peer();
    const auto twin = session.restrict(made.stream.handle(), made.stream.rights().base());
    const std::string sent = pattern(by_fin ? 100'000 : 3);
    peer.write_all(sent);
    size_t got = 0;
    {
      RawTransfer transfer(host, session.token(), made.stream.handle());
      ASSERT_EQ(transfer.opened(), v1::SUCCESS);
      peer.wait_until_delivered();
      peer.reset();
      transfer.data("lost");
      EXPECT_EQ(session.write_ended(made.stream.handle()), v1::PIPE);
      if (by_fin) transfer.fin();
      v1::TransferReply reply;
      while (transfer.next(reply) && reply.has_data()) got += reply.data().size();
      EXPECT_EQ(reply.error(), v1::CONNRESET);
      EXPECT_TRUE(transfer.close().ok());
    }
    EXPECT_EQ(got, sent.size());
    EXPECT_EQ(session.read(twin.handle()).error(), v1::CONNRESET);
    EXPECT_EQ(session.write(twin.handle(), "x").error(), v1::PIPE);
  }
}

TEST_F(EndsTest, AfterRefusedBytesTheOtherHandlesAnswerConnreset) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  const auto twin = session.restrict(made.stream.handle(), made.stream.rights().base());
  EXPECT_EQ(session.set_rights(made.stream.handle(), kRead), v1::SUCCESS);
  RawTransfer transfer(host, session.token(), made.stream.handle());
  transfer.data("not allowed");
  EXPECT_TRUE(transfer.close().ok());
  EXPECT_EQ(peer.read_error(), ECONNRESET);
  EXPECT_EQ(session.read(twin.handle()).error(), v1::CONNRESET);
  EXPECT_EQ(session.stream_create(made.connection).error(), v1::CONNRESET);
}

TEST_F(EndsTest, AHandleThatMayNeitherReadNorWriteNorEndTakesNoStream) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  for (const uint64_t rights : {uint64_t{0}, kPoll}) {
    const auto twin = session.restrict(made.stream.handle(), rights);
    ASSERT_EQ(twin.error(), v1::SUCCESS);
    RawTransfer transfer(host, session.token(), twin.handle());
    EXPECT_EQ(transfer.opened(), v1::NOTCAPABLE);
    EXPECT_EQ(session.write(made.stream.handle(), "x").written(), 1u);
    transfer.break_off();
  }
  EXPECT_EQ(session.write(made.stream.handle(), "x").written(), 1u);
  EXPECT_EQ(peer.read(3), "xxx");
  for (const uint64_t right : {kRead, kWrite, kShutdown}) {
    const auto twin = session.restrict(made.stream.handle(), right);
    RawTransfer transfer(host, session.token(), twin.handle());
    EXPECT_EQ(transfer.opened(), v1::SUCCESS);
    EXPECT_TRUE(transfer.close().ok());
  }
}

// Who stops reading holds its peer back no longer, whether it could read or not.
TEST_F(EndsTest, WhatNobodyMayReadIsDiscardedOnceReadingIsShutDown) {
  enum class Right : uint8_t { kNever, kGoneAtOnce, kGoneLater };
  for (const Right right : {Right::kNever, Right::kGoneAtOnce, Right::kGoneLater}) {
    SCOPED_TRACE(static_cast<int>(right));
    Host host(daemon_.socket_path("acme"));
    RawSession session(host);
    const Stream made = connected_stream(session, peer_address());
    NativeSocket peer = accept_peer();
    constexpr uint64_t kOthers = kWrite | kShutdown;
    if (right == Right::kNever) {
      EXPECT_EQ(session.set_rights(made.stream.handle(), kOthers), v1::SUCCESS);
    }
    RawTransfer transfer(host, session.token(), made.stream.handle());
    ASSERT_EQ(transfer.opened(), v1::SUCCESS);
    if (right != Right::kNever) {
      EXPECT_EQ(session.set_rights(made.stream.handle(), kOthers), v1::SUCCESS);
    }
    if (right == Right::kGoneLater) peer.write_until_full();
    transfer.stop_reading();
    peer.write_all(std::string(16 << 20, 'x'));
    transfer.data("still out");
    EXPECT_EQ(peer.read(9), "still out");
    EXPECT_TRUE(transfer.close().ok());
  }
}

// A host's word that the guest closed a stream, in every order that a hostile one can think of.
class ClosedStreamTest : public EndsTest {
 protected:
  void SetUp() override {
    EndsTest::SetUp();
    daemon_.stop();
    daemon_.start([](Config& config) { config.linger = std::chrono::milliseconds(200); });
  }
  void expect_only_its_protocol_left(RawSession&) {
    eventually([&] {
      const Daemon::Counts now = counts();
      return now.connections == 0 && now.buffers == 0 && now.handles == 1;
    });
  }
};

TEST_F(ClosedStreamTest, ItsBytesHaveLingerHoweverManyFollow) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  EXPECT_EQ(session.close(made.connection.handle()), v1::SUCCESS);
  EXPECT_EQ(session.close(made.control.handle()), v1::SUCCESS);
  RawTransfer transfer(host, session.token(), made.stream.handle());
  auto reading = read_all(peer);
  ASSERT_TRUE(session.say_closed(made.stream.handle()));
  const std::string chunk(64 * 1024, 'x');
  while (transfer.data(chunk)) {  // the peer takes them all, and still there is an end
    (void)session.say_closed(made.stream.handle());
  }
  EXPECT_EQ(transfer.finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_THROW(reading.get(), std::system_error);  // a reset
  expect_only_its_protocol_left(session);
}

TEST_F(ClosedStreamTest, NothingElseIsTouched) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  const auto twin = session.restrict(made.stream.handle(), made.stream.rights().base());
  const Stream busy = connected_stream(session, peer_address());
  NativeSocket busy_peer = accept_peer();
  for (const std::string& handle : {std::string(), std::string("nothing"), std::string(16, 'x'),
                                    session.protocol("net").handle(), made.control.handle(), made.connection.handle(),
                                    made.stream.handle(), twin.handle(), std::string(60'000, 'x')}) {
    ASSERT_TRUE(session.say_closed(handle));
  }
  // A stream whose last bytes stand still is the clock: by the time it is cut off, the others would have been.
  RawTransfer full(host, session.token(), busy.stream.handle());
  ASSERT_TRUE(session.say_closed(busy.stream.handle()));
  EXPECT_EQ(full.finish().error_code(), grpc::StatusCode::CANCELLED);
  RawTransfer transfer(host, session.token(), twin.handle());
  ASSERT_EQ(transfer.opened(), v1::SUCCESS);
  transfer.data("alive");
  EXPECT_EQ(peer.read(5), "alive");
  EXPECT_TRUE(transfer.close().ok());
}

TEST_F(ClosedStreamTest, TheTimeOfOneHandleIsNotThatOfTheNext) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  const auto twin = session.restrict(made.stream.handle(), made.stream.rights().base());
  {
    RawTransfer first(host, session.token(), made.stream.handle());
    ASSERT_TRUE(session.say_closed(made.stream.handle()));
    EXPECT_TRUE(first.close().ok());
  }
  RawTransfer second(host, session.token(), twin.handle());
  ASSERT_EQ(second.opened(), v1::SUCCESS);
  const Stream clock = connected_stream(session, peer_address());
  NativeSocket clock_peer = accept_peer();
  RawTransfer third(host, session.token(), clock.stream.handle());
  ASSERT_TRUE(session.say_closed(clock.stream.handle()));
  EXPECT_EQ(third.finish().error_code(), grpc::StatusCode::CANCELLED);
  second.data("alive");
  EXPECT_EQ(peer.read(5), "alive");
}

TEST_F(EndsTest, AConnectionThatTheGuestEndedAnswersTheSameInUnaryMode) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const Stream made = connected_stream(session, peer_address());
  NativeSocket peer = accept_peer();
  peer.write_all("late");
  EXPECT_EQ(session.read(made.stream.handle()).data(), "late");
  auto reading = std::async(std::launch::async, [&] { return session.read(made.stream.handle()).error(); });
  EXPECT_EQ(session.shutdown(made.connection.handle(), true, true), v1::SUCCESS);
  EXPECT_EQ(reading.get(), v1::NOTCONN);
  EXPECT_EQ(session.read(made.stream.handle()).error(), v1::NOTCONN);
  EXPECT_EQ(session.write(made.stream.handle(), "x").error(), v1::PIPE);
}

TEST_F(EndsTest, ADrainingTenantMakesNothingNewAndLetsTheOldFinish) {
  daemon_.stop();
  daemon_.start([](Config& config) { config.drain = std::chrono::seconds(kPatienceSeconds); });
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "0.0.0.0:0");
  const auto connection = session.connect(control.handle(), peer_address());
  NativeSocket peer = accept_peer();
  auto draining = std::async(std::launch::async, [&] { daemon_->drain(); });
  v1::SessionEvent event;
  ASSERT_TRUE(session.next(event));
  ASSERT_TRUE(event.has_closing());
  EXPECT_EQ(session.open("net", "0.0.0.0:0").error(), v1::CONNABORTED);
  EXPECT_EQ(session.connect(control.handle(), peer_address()).error(), v1::CONNABORTED);
  const auto stream = session.stream_create(connection);
  ASSERT_EQ(stream.error(), v1::SUCCESS);
  EXPECT_EQ(session.write(stream.handle(), "bye").error(), v1::SUCCESS);
  EXPECT_EQ(session.close(stream.handle()), v1::SUCCESS);
  EXPECT_EQ(peer.read_to_end(), "bye");
  peer.close();
  EXPECT_TRUE(session.end().ok());
  draining.get();
}

TEST_F(EndsTest, AControlThatIsInUseKnowsItsRealAddress) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const auto control = session.open("net", "127.0.0.1:0");
  const std::string bound = session.local_address(control.handle()).address();
  const auto connection = session.connect(control.handle(), peer_address());
  ASSERT_EQ(connection.error(), v1::SUCCESS);
  EXPECT_EQ(session.local_address(control.handle()).address(), bound);
  EXPECT_EQ(session.local_address(connection.handle()).address(), bound);
}

TEST_F(EndsTest, AConnectionThatCameToNothingHasNoAddresses) {
  Host host(daemon_.socket_path("acme"));
  RawSession session(host);
  const std::string nobody = peer_address();
  listener_.close();
  const auto control = session.open("net", "0.0.0.0:0");
  const auto connection = session.connect(control.handle(), nobody, true);
  v1::SessionEvent event;
  ASSERT_TRUE(session.next(event));
  EXPECT_EQ(session.stream_create(connection).error(), v1::CONNREFUSED);
  EXPECT_EQ(session.peer_address(connection.handle()).error(), v1::NOTCONN);
  EXPECT_EQ(session.local_address(connection.handle()).error(), v1::NOTCONN);
}

}  // namespace
}  // namespace wasi_netd::test
