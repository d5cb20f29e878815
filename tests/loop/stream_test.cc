// Bytes, readiness, halves and cancellation: what net.h asks of every stream, on every transport, in the clear and by
// TLS, of both sides.
#include <future>
#include <thread>

#include "tests/loop/wire_test.h"

namespace wasi_netd::net {
namespace {

class StreamBytes : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, StreamBytes, every_wire(), name_of_case);

TEST_P(StreamBytes, ReadsWhatThePeerWrote) {
  peer_.write_all("hello");
  EXPECT_EQ(run(read(stream_, 5)), "hello");
}

TEST_P(StreamBytes, WaitsForBytesThatAreNotThereYet) {
  auto reading = start(read(stream_, 5));
  EXPECT_FALSE(reading->done());
  peer_.write_all("later");
  EXPECT_EQ(finish(reading), "later");
}

TEST_P(StreamBytes, WritesWhatThePeerReads) {
  EXPECT_EQ(code_of(run(write(stream_, "hello"))), Errno::success);
  EXPECT_EQ(peer_.read(5), "hello");
}

TEST_P(StreamBytes, AnswersAgainWhenThereIsNothingToRead) {
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::again);
  peer_.write_all("x");
  run(stream_->wait_readable());
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::again);
  peer_.write_all("y");
  peer_.shutdown_write();
  run(stream_->wait_readable());
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
}

TEST_P(StreamBytes, TakesAnEmptyBufferForNeitherAnEndNorAnError) {
  EXPECT_EQ(*stream_->read_now({}), 0U);
  EXPECT_EQ(*stream_->write_now({}), 0U);
  EXPECT_EQ(*run(stream_->read_some({})), 0U);
  EXPECT_EQ(*run(stream_->write_some({})), 0U);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::again);
}

TEST_P(StreamBytes, CarriesMegabytesInBothDirectionsUnchanged) {
  const std::string up = test::pattern(4 << 20, 1);
  const std::string down = test::pattern(4 << 20, 2);
  auto peer = std::async(std::launch::async, [&] {
    std::string got = peer_.read(up.size());
    peer_.write_all(down);
    return got;
  });
  auto reading = start(read(stream_, down.size()));
  EXPECT_EQ(code_of(run(write(stream_, up))), Errno::success);
  EXPECT_TRUE(finish(reading) == down);
  EXPECT_TRUE(await(peer) == up);
}

TEST_P(StreamBytes, BlocksAWriterUntilTheSlowPeerReads) {
  const size_t filled = fill_up(*stream_);
  auto writing = start(write(stream_, "tail"));
  EXPECT_FALSE(writing->done());
  EXPECT_EQ(code_of(stream_->write_now(asio::buffer("x", 1))), Errno::again);
  EXPECT_EQ(beside([&] { return peer_.read(filled).size(); }), filled);
  EXPECT_EQ(code_of(finish(writing)), Errno::success);
  EXPECT_EQ(beside([&] { return peer_.read(4); }), "tail");
}

TEST_P(StreamBytes, SendsWhatItTookWithoutAnotherCall) {
  const size_t filled = fill_up(*stream_);
  EXPECT_EQ(beside([&] { return peer_.read(filled).size(); }), filled);
}

TEST_P(StreamBytes, LetsOthersOfTheLoopRunWhileABusyPeerNeverStops) {
  peer_.write_until_full();
  bool other_ran = false;
  auto greedy = [](std::shared_ptr<Stream> stream, const bool& stop) -> Task<int> {
    int rounds = 0;
    while (!stop && rounds < 1000) {
      auto n = co_await read_byte(stream);
      if (!n) break;
      ++rounds;
    }
    co_return rounds;
  };
  // Queued behind the reader: it runs first, and posts the other when it is under way.
  asio::post(context_, [&] { asio::post(context_, [&] { other_ran = true; }); });
  auto reading = start(greedy(stream_, other_ran));
  EXPECT_LT(finish(reading), 1000);
}

class StreamReadiness : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, StreamReadiness, every_wire(), name_of_case);

TEST_P(StreamReadiness, TellsOfBytes) {
  auto ready = start(stream_->wait_readable());
  EXPECT_FALSE(ready->done());
  peer_.write_all("ab");
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_EQ(run(read(stream_, 2)), "ab") << "waiting must not take bytes away";
}

TEST_P(StreamReadiness, TellsOfTheEnd) {
  auto ready = start(stream_->wait_readable());
  peer_.end();
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_EQ(*read_byte_now(*stream_), 0U);
}

TEST_P(StreamReadiness, DoesNotTellOfBytesThatWereReadMeanwhile) {
  auto ready = start(stream_->wait_readable());
  peer_.write_all("a");
  while (!read_byte_now(*stream_)) {
  }
  run_ready();
  EXPECT_FALSE(ready->done());
  peer_.write_all("b");
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_EQ(*read_byte_now(*stream_), 1U);
}

TEST_P(StreamReadiness, TellsOfRoomAfterTheSlowPeerRead) {
  EXPECT_EQ(code_of(run(stream_->wait_writable())), Errno::success);
  const size_t filled = fill_up(*stream_);
  auto ready = start(stream_->wait_writable());
  EXPECT_FALSE(ready->done());
  EXPECT_EQ(beside([&] { return peer_.read(filled).size(); }), filled);
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_NE(code_of(stream_->write_now(asio::buffer("x", 1))), Errno::again);
}

TEST_P(StreamReadiness, IsImmediateForHalvesThatEnded) {
  peer_.end();
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
  EXPECT_EQ(code_of(run(stream_->wait_readable())), Errno::success);
  (void)stream_->shutdown_write();
  EXPECT_EQ(code_of(run(stream_->wait_writable())), Errno::success);
}

TEST_P(StreamReadiness, EndsAWaitForRoomWhenTheWriteHalfIsShutDown) {
  fill_up(*stream_);
  auto ready = start(stream_->wait_writable());
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success);
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_EQ(code_of(stream_->write_now(asio::buffer("x", 1))), Errno::pipe);
  connection_->abort();
}

class StreamHalves : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, StreamHalves, every_wire(), name_of_case);

TEST_P(StreamHalves, AnswersZeroAtThePeersOrderlyEndForEver) {
  peer_.write_all("last");
  peer_.shutdown_write();
  EXPECT_EQ(run(read(stream_, 4)), "last");
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
  EXPECT_EQ(*read_byte_now(*stream_), 0U);
}

TEST_P(StreamHalves, TellsThePeersEndToEverybodyWhoWaits) {
  auto ready = start(stream_->wait_readable());
  auto reading = start(read_byte(stream_));
  auto ready_too = start(stream_->wait_readable());
  peer_.end();
  EXPECT_EQ(*finish(reading), 0U);
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_EQ(code_of(finish(ready_too)), Errno::success);
}

TEST_P(StreamHalves, StillWritesMegabytesAfterThePeerEnded) {
  const std::string answer = test::pattern(1 << 20);
  peer_.shutdown_write();
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
  auto peer = std::async(std::launch::async, [&] { return peer_.read_to_end(); });
  EXPECT_EQ(code_of(run(write(stream_, answer))), Errno::success);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success);
  EXPECT_TRUE(await(peer) == answer);
  EXPECT_EQ(peer_.why(), "end");
}

TEST_P(StreamHalves, EndsItsWriteHalfBehindItsBytesAndStillReadsMegabytes) {
  const std::string answer = test::pattern(1 << 20);
  const size_t filled = fill_up(*stream_);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success);
  auto peer = std::async(std::launch::async, [&] {
    const size_t got = peer_.read_to_end().size();
    peer_.write_all(answer);
    return got;
  });
  EXPECT_TRUE(run(read(stream_, answer.size())) == answer);
  EXPECT_EQ(await(peer), filled);
  EXPECT_EQ(peer_.why(), "end");
}

TEST_P(StreamHalves, AnswersPipeAfterItsOwnShutdown) {
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
  EXPECT_EQ(code_of(stream_->write_now(asio::buffer("x", 1))), Errno::pipe);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success) << "again is harmless";
}

TEST_P(StreamHalves, EndsAWriteThatWaitsAndNoReadWhenTheWriteHalfIsShutDown) {
  fill_up(*stream_);
  auto reading = start(read_byte(stream_));
  auto writing = start(write_byte(stream_));
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success);
  EXPECT_EQ(code_of(finish(writing)), Errno::pipe);
  EXPECT_FALSE(reading->done());
  peer_.write_all("x");
  EXPECT_EQ(*finish(reading), 1U);
  connection_->abort();
}

TEST_P(StreamHalves, EndsAReadThatWaitsWhenTheReadHalfIsShutDown) {
  auto reading = start(read_byte(stream_));
  EXPECT_FALSE(reading->done());
  EXPECT_EQ(code_of(stream_->shutdown_read()), Errno::success);
  EXPECT_EQ(*finish(reading), 0U);
  EXPECT_EQ(code_of(run(write(stream_, "still"))), Errno::success);
  EXPECT_EQ(peer_.read(5), "still");
}

TEST_P(StreamHalves, ReadsWhatArrivedBeforeItsReadHalfWasShutDown) {
  peer_.write_all("early");
  run(stream_->wait_readable());
  EXPECT_EQ(code_of(stream_->shutdown_read()), Errno::success);
  EXPECT_EQ(run(read(stream_, 5)), "early");
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
}

class StreamCancel : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, StreamCancel, every_wire(), name_of_case);

TEST_P(StreamCancel, EndsEveryPendingOperationAndEveryLaterOne) {
  fill_up(*stream_);
  auto reading = start(read_byte(stream_));
  auto writing = start(write_byte(stream_));
  auto readable = start(stream_->wait_readable());
  auto writable = start(stream_->wait_writable());
  connection_->abort();
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_EQ(code_of(finish(writing)), Errno::canceled);
  EXPECT_EQ(code_of(finish(readable)), Errno::canceled);
  EXPECT_EQ(code_of(finish(writable)), Errno::canceled);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::canceled);
  EXPECT_EQ(code_of(run(stream_->wait_readable())), Errno::canceled);
  EXPECT_EQ(code_of(run(stream_->wait_writable())), Errno::canceled);
  EXPECT_EQ(code_of(stream_->shutdown_read()), Errno::canceled);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::canceled);
  connection_->abort();
}

TEST_P(StreamCancel, OfOperationsLosesNoByteAndLeavesTheStreamInUse) {
  const size_t filled = fill_up(*stream_);
  auto reading = start(read_byte(stream_));
  auto writing = start(write_byte(stream_));
  auto readable = start(stream_->wait_readable());
  auto writable = start(stream_->wait_writable());
  stream_->cancel();
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_EQ(code_of(finish(writing)), Errno::canceled);
  EXPECT_EQ(code_of(finish(readable)), Errno::canceled);
  EXPECT_EQ(code_of(finish(writable)), Errno::canceled);
  peer_.write_all("in");
  EXPECT_EQ(run(read(stream_, 2)), "in");
  EXPECT_EQ(beside([&] { return peer_.read(filled).size(); }), filled);
  EXPECT_EQ(code_of(run(write(stream_, "out"))), Errno::success);
  EXPECT_EQ(peer_.read(3), "out");
}

TEST_P(StreamCancel, KeepsTheObjectAliveUntilItsOperationEnded) {
  std::weak_ptr<Connection> object = connection_;
  auto reading = start(read_byte(stream_));
  auto last = connection_;
  drop_all();
  last->abort();
  last.reset();
  EXPECT_FALSE(object.expired());
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_TRUE(object.expired());
}

TEST_P(StreamCancel, KeepsTheSocketWhileEitherShareLives) {
  std::weak_ptr<Connection> object = connection_;
  drop_connection();
  peer_.write_all("x");
  EXPECT_EQ(run(read(stream_, 1)), "x");
  stream_.reset();
  EXPECT_TRUE(object.expired());
}

TEST_P(StreamCancel, TheLastShareEndsTheConnectionWhileBytesWaitToBeSent) {
  fill_up(*stream_);
  std::weak_ptr<Connection> object = connection_;
  drop_all();
  EXPECT_TRUE(object.expired());
}

// ---- in the clear

class PlainStream : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, PlainStream, plain_wires(), name_of_case);

TEST_P(PlainStream, CarriesMegabytesBothWaysAtOnceUnchanged) {
  const std::string up = test::pattern(8 << 20, 1);
  const std::string down = test::pattern(8 << 20, 2);
  std::string got_up;
  std::thread reader([&] { got_up = peer_.read(up.size()); });
  std::thread writer([&] { peer_.write_all(down); });
  auto writing = start(write(stream_, up));
  auto reading = start(read(stream_, down.size()));
  EXPECT_TRUE(finish(reading) == down);
  EXPECT_EQ(code_of(finish(writing)), Errno::success);
  reader.join();
  writer.join();
  EXPECT_TRUE(got_up == up);
}

TEST_P(PlainStream, ClosesTheSocketWithItsLastShare) {
  stream_->write_now(asio::buffer("bye", 3));
  drop_all();
  EXPECT_EQ(peer_.read(3), "bye");
  EXPECT_EQ(peer_.socket().read_error(), is_tcp() ? ECONNRESET : 0) << "nobody finished it";
}

}  // namespace
}  // namespace wasi_netd::net
