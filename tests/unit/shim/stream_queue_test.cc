// The queues of one stream: what a guest's call answers, what goes to the daemon next, and how much is held.
#include "client-shim/src/stream_queue.h"

#include <gtest/gtest.h>

namespace wasi_netd::shim {
namespace {

using Frame = StreamQueue::Frame;
constexpr size_t kChunk = StreamQueue::kChunk;
constexpr size_t kSendLimit = StreamQueue::kSendLimit;

class StreamQueueTest : public testing::Test {
 protected:
  // The call is open, `open` is written, a read is outstanding.
  void SetUp() override {
    queue_.start();
    queue_.opened(err::success);
    queue_.frame_written(true);
  }

  struct Read {
    Errno error;
    std::string bytes;
    bool operator==(const Read&) const = default;
  };
  Read read(size_t size, bool peek = false) {
    std::string buffer(size, '\0');
    const wasi_netd_iovec iov{buffer.data(), buffer.size()};
    size_t count = 0;
    const Errno error = queue_.read({&iov, 1}, peek, count);
    return {error, buffer.substr(0, count)};
  }
  struct Write {
    Errno error;
    size_t count;
    bool operator==(const Write&) const = default;
  };
  Write write(std::string_view data) {
    size_t count = 0;
    const Errno error = queue_.write(data, count);
    return {error, count};
  }
  // Takes and completes every frame that is due: "data(5) fin close".
  std::string frames() {
    std::string all;
    std::string data;
    for (Frame frame; (frame = queue_.take_frame(data)) != Frame::kNone; queue_.frame_written(true)) {
      static constexpr const char* kNames[] = {"", "data", "narrow", "stop_reading", "fin", "close", "datagrams"};
      all += (all.empty() ? "" : " ") + std::string(kNames[static_cast<int>(frame)]);
      if (frame == Frame::kData) all += "(" + std::to_string(data.size()) + ")";
    }
    return all;
  }

  const Read kEnd{err::success, ""};
  StreamQueue queue_;
};

// ---- receiving

TEST_F(StreamQueueTest, AnEmptyQueueAnswersAgain) { EXPECT_EQ(read(10), (Read{err::again, ""})); }

TEST_F(StreamQueueTest, BytesAreReadInOrderAcrossPieces) {
  queue_.received(std::string(5000, 'a'));
  queue_.received(std::string(5000, 'b'));
  EXPECT_EQ(read(4000).bytes, std::string(4000, 'a'));
  EXPECT_EQ(read(2000).bytes, std::string(1000, 'a') + std::string(1000, 'b'));
  EXPECT_EQ(read(9000).bytes, std::string(4000, 'b'));
  EXPECT_EQ(queue_.queued(), 0u);
}

TEST_F(StreamQueueTest, AReadFillsSeveralBuffers) {
  queue_.received("abcdef");
  char first[2];
  char second[3];
  const wasi_netd_iovec iovs[] = {{first, 2}, {nullptr, 0}, {second, 3}};
  size_t count = 0;
  EXPECT_EQ(queue_.read(iovs, false, count), err::success);
  EXPECT_EQ(std::string(first, 2) + std::string(second, 3), "abcde");
  EXPECT_EQ(read(9).bytes, "f");
}

TEST_F(StreamQueueTest, PeekLeavesTheBytes) {
  queue_.received("abc");
  EXPECT_EQ(read(2, true).bytes, "ab");
  EXPECT_EQ(read(9).bytes, "abc");
}

TEST_F(StreamQueueTest, NoReadIsStartedWhileAChunkIsQueued) {
  queue_.read_completed();
  queue_.received(std::string(kChunk - 1, 'x'));
  EXPECT_TRUE(queue_.take_read());
  EXPECT_FALSE(queue_.take_read()) << "one at a time";
  queue_.read_completed();
  queue_.received("y");
  EXPECT_FALSE(queue_.take_read());
  read(1);
  EXPECT_TRUE(queue_.take_read());
}

TEST_F(StreamQueueTest, ManySingleBytesJoinIntoFewPieces) {
  for (int i = 0; i < 10'000; ++i) queue_.received("x");
  EXPECT_EQ(read(10'000).bytes, std::string(10'000, 'x'));
}

TEST_F(StreamQueueTest, TheEndComesAfterTheBytesAndStays) {
  queue_.received("abc");
  queue_.fin();
  EXPECT_EQ(read(9).bytes, "abc");
  EXPECT_EQ(read(9), kEnd);
  EXPECT_EQ(read(9), kEnd);
}

TEST_F(StreamQueueTest, AnErrorComesAfterTheBytesAndStays) {
  queue_.received("abc");
  queue_.failed(err::connreset);
  EXPECT_EQ(read(9).bytes, "abc");
  EXPECT_EQ(read(9).error, err::connreset);
  EXPECT_EQ(read(9).error, err::connreset);
}

TEST_F(StreamQueueTest, TheFirstErrorCounts) {
  queue_.failed(err::timedout);
  queue_.failed(err::connreset);
  queue_.ended(err::connreset);
  EXPECT_EQ(read(9).error, err::timedout);
}

TEST_F(StreamQueueTest, AResetBehindThePeersEndLeavesTheEndClean) {
  queue_.fin();
  queue_.failed(err::connreset);
  EXPECT_EQ(read(9), kEnd);
  EXPECT_EQ(write("x"), (Write{err::pipe, 0}));
}

TEST_F(StreamQueueTest, ACallThatEndsWithoutThePeersEndIsAnError) {
  queue_.received("abc");
  queue_.ended(err::connreset);
  EXPECT_EQ(read(9).bytes, "abc");
  EXPECT_EQ(read(9).error, err::connreset);
}

TEST_F(StreamQueueTest, RevokingForgetsTheBytesBothWays) {
  queue_.received("abc");
  write("def");
  queue_.revoked();
  EXPECT_EQ(read(9).error, err::notcapable);
  EXPECT_EQ(write("x").error, err::notcapable);
  EXPECT_EQ(queue_.finish(), err::notcapable);
  EXPECT_EQ(frames(), "");
}

TEST_F(StreamQueueTest, RevokingOverridesAnEarlierError) {
  queue_.failed(err::connreset);
  queue_.failed(err::notcapable);
  EXPECT_EQ(read(9).error, err::notcapable);
}

TEST_F(StreamQueueTest, AfterStopReadingWhatCameBeforeIsReadAndTheRestIsDropped) {
  queue_.received("abc");
  queue_.stop_reading();
  queue_.received("def");
  EXPECT_EQ(read(9).bytes, "abc");
  EXPECT_EQ(read(9), kEnd);
  EXPECT_EQ(frames(), "stop_reading");
  queue_.read_completed();
  EXPECT_TRUE(queue_.take_read()) << "the peer must not be held up";
}

// ---- sending

TEST_F(StreamQueueTest, AWriteGoesOutAtOnce) {
  EXPECT_EQ(write("hello"), (Write{err::success, 5}));
  std::string data;
  EXPECT_EQ(queue_.take_frame(data), Frame::kData);
  EXPECT_EQ(data, "hello");
}

TEST_F(StreamQueueTest, WritesBehindAFrameInFlightJoin) {
  std::string data;
  write("a");
  ASSERT_EQ(queue_.take_frame(data), Frame::kData);
  write("b");
  write("c");
  EXPECT_EQ(queue_.take_frame(data), Frame::kNone) << "one in flight";
  queue_.frame_written(true);
  ASSERT_EQ(queue_.take_frame(data), Frame::kData);
  EXPECT_EQ(data, "bc");
}

TEST_F(StreamQueueTest, AnAnswerMayComeBeforeTheOpenIsKnownToBeWritten) {
  StreamQueue queue;
  queue.start();
  queue.opened(err::success);
  size_t count = 0;
  EXPECT_EQ(queue.write("abc", count), err::success);
  std::string data;
  EXPECT_EQ(queue.take_frame(data), Frame::kNone) << "the open frame is being written";
  queue.frame_written(true);
  EXPECT_EQ(queue.take_frame(data), Frame::kData);
}

TEST_F(StreamQueueTest, NoFrameIsLongerThanAChunk) {
  write(std::string(kChunk + 1, 'x'));
  EXPECT_EQ(frames(), "data(65536) data(1)");
}

TEST_F(StreamQueueTest, QueuedAndInFlightTogetherStayWithinTheLimit) {
  EXPECT_EQ(write(std::string(kSendLimit + 1, 'x')), (Write{err::success, kSendLimit}));
  EXPECT_EQ(write("y"), (Write{err::again, 0}));
  std::string data;
  queue_.take_frame(data);
  EXPECT_EQ(write("y"), (Write{err::again, 0})) << "in flight counts";
  queue_.frame_written(true);
  EXPECT_EQ(write(std::string(kChunk + 1, 'y')), (Write{err::success, kChunk}));
}

TEST_F(StreamQueueTest, FinFollowsTheBytes) {
  write("abc");
  EXPECT_EQ(queue_.finish(), err::success);
  EXPECT_EQ(write("d"), (Write{err::pipe, 0}));
  EXPECT_EQ(frames(), "data(3) fin");
  EXPECT_EQ(queue_.finish(), err::success) << "once more changes nothing";
  EXPECT_EQ(frames(), "");
}

TEST_F(StreamQueueTest, NarrowFollowsTheBytesAndGoesBeforeTheEnds) {
  EXPECT_EQ(write("hello"), (Write{err::success, 5}));
  EXPECT_TRUE(queue_.narrow({right::fd_read, 0}));
  queue_.finish();
  queue_.close();
  EXPECT_EQ(frames(), "data(5) narrow close");
  EXPECT_EQ(queue_.narrowed_to(), (Rights{right::fd_read, 0}));
}

TEST_F(StreamQueueTest, ACallThatEndedCarriesNoNarrow) {
  queue_.ended(err::connreset);
  EXPECT_FALSE(queue_.narrow({right::fd_read, 0}));
}

TEST_F(StreamQueueTest, CloseFollowsTheBytesAndStandsForFin) {
  write("abc");
  queue_.finish();
  EXPECT_TRUE(queue_.close());
  EXPECT_EQ(frames(), "data(3) close");
  EXPECT_TRUE(queue_.close_sent());
}

TEST_F(StreamQueueTest, CloseFollowsAFinThatHasGone) {
  queue_.finish();
  EXPECT_EQ(frames(), "fin");
  EXPECT_TRUE(queue_.close());
  EXPECT_EQ(frames(), "close");
}

TEST_F(StreamQueueTest, AClosedStreamDropsWhatComesAndGoesOnReading) {
  queue_.received(std::string(kChunk, 'x'));
  queue_.read_completed();
  queue_.close();
  EXPECT_EQ(queue_.queued(), 0u);
  EXPECT_TRUE(queue_.take_read());
  queue_.received("more");
  EXPECT_EQ(queue_.queued(), 0u);
}

TEST_F(StreamQueueTest, AfterAnErrorNothingButCloseGoesOut) {
  write("abc");
  queue_.failed(err::connreset);
  EXPECT_EQ(write("d"), (Write{err::pipe, 0}));
  EXPECT_EQ(queue_.finish(), err::notconn);
  EXPECT_EQ(frames(), "");
  EXPECT_TRUE(queue_.close());
  EXPECT_EQ(frames(), "close");
}

TEST_F(StreamQueueTest, AWriteErrorLeavesReadingAlone) {
  queue_.write_failed(err::pipe);
  queue_.received("abc");
  EXPECT_EQ(write("d"), (Write{err::pipe, 0}));
  EXPECT_EQ(read(9).bytes, "abc");
  EXPECT_EQ(read(9).error, err::again);
}

TEST_F(StreamQueueTest, AFrameThatCannotBeWrittenEndsWriting) {
  write("abc");
  std::string data;
  queue_.take_frame(data);
  queue_.frame_written(false);
  EXPECT_EQ(write("d"), (Write{err::pipe, 0}));
  EXPECT_FALSE(queue_.close()) << "no call to carry the frame";
  EXPECT_FALSE(queue_.close_sent());
}

TEST_F(StreamQueueTest, ACallThatEndedCarriesNoClose) {
  queue_.fin();
  queue_.finish();
  frames();
  queue_.ended(err::connreset);
  EXPECT_EQ(read(9), kEnd);
  EXPECT_FALSE(queue_.close());
  EXPECT_EQ(frames(), "");
}

// ---- refusal

TEST_F(StreamQueueTest, ARefusalIsToldOnceAndThenTheCallIsOpenedAnew) {
  StreamQueue queue;
  EXPECT_TRUE(queue.needs_call());
  queue.start();
  EXPECT_FALSE(queue.needs_call());
  EXPECT_TRUE(queue.deciding());
  queue.frame_written(true);
  queue.opened(err::busy);
  queue.ended(err::connreset);
  EXPECT_TRUE(queue.settled());
  EXPECT_TRUE(queue.poll_read().ready);
  EXPECT_TRUE(queue.poll_write().ready);
  EXPECT_FALSE(queue.needs_call());
  EXPECT_EQ(queue.take_refusal(), err::busy);
  EXPECT_EQ(queue.take_refusal(), err::success);
  EXPECT_TRUE(queue.needs_call());
  queue.start();
  queue.opened(err::success);
  EXPECT_TRUE(queue.poll_write().ready);
}

TEST_F(StreamQueueTest, NoByteIsTakenBeforeTheCallIsOpenSoNoneIsLostToARefusal) {
  StreamQueue queue;
  queue.start();
  queue.frame_written(true);
  size_t count = 7;
  EXPECT_EQ(queue.write("early", count), err::again);
  EXPECT_EQ(count, 0u);
  EXPECT_FALSE(queue.poll_write().ready);
  EXPECT_EQ(queue.write("", count), err::success);
  queue.opened(err::nobufs);
  queue.ended(err::connreset);
  EXPECT_EQ(queue.take_refusal(), err::nobufs);
  EXPECT_EQ(queue.write("before the next call", count), err::again);
  EXPECT_EQ(count, 0u);
  queue.start();
  queue.opened(err::success);
  queue.frame_written(true);
  EXPECT_EQ(queue.write("kept", count), err::success);
  std::string data;
  EXPECT_EQ(queue.take_frame(data), Frame::kData);
  EXPECT_EQ(data, "kept");
}

TEST_F(StreamQueueTest, ACloseThatMeetsARefusalIsNotSent) {
  StreamQueue queue;
  queue.start();
  queue.frame_written(true);
  EXPECT_TRUE(queue.close());
  std::string data;
  EXPECT_EQ(queue.take_frame(data), Frame::kNone) << "the daemon has not answered";
  queue.opened(err::busy);
  EXPECT_EQ(queue.take_frame(data), Frame::kNone);
  queue.ended(err::connreset);
  EXPECT_FALSE(queue.close_sent()) << "the handle needs the Close rpc";
}

TEST_F(StreamQueueTest, ACloseDuringTheOpeningGoesOutOnceTheCallIsOpen) {
  StreamQueue queue;
  queue.start();
  queue.frame_written(true);
  EXPECT_TRUE(queue.close());
  queue.opened(err::success);
  std::string data;
  EXPECT_EQ(queue.take_frame(data), Frame::kClose);
  EXPECT_TRUE(queue.close_sent());
}

TEST_F(StreamQueueTest, AFrameLostToARefusalIsNotAnEnd) {
  StreamQueue queue;
  queue.start();
  queue.frame_written(false);
  queue.opened(err::busy);
  queue.ended(err::connreset);
  EXPECT_EQ(queue.take_refusal(), err::busy);
  queue.start();
  queue.opened(err::success);
  queue.frame_written(true);
  size_t count = 0;
  EXPECT_EQ(queue.write("x", count), err::success);
}

// ---- poll

TEST_F(StreamQueueTest, PollTellsBytesRoomAndHangup) {
  EXPECT_FALSE(queue_.poll_read().ready);
  EXPECT_TRUE(queue_.poll_write().ready);
  EXPECT_EQ(queue_.poll_write().bytes, kSendLimit);
  queue_.received("abc");
  queue_.fin();
  EXPECT_EQ(queue_.poll_read().bytes, 3u);
  EXPECT_FALSE(queue_.poll_read().hangup) << "a guest that closes on hangup must have read everything";
  read(3);
  EXPECT_TRUE(queue_.poll_read().ready);
  EXPECT_TRUE(queue_.poll_read().hangup);
  write(std::string(kSendLimit, 'x'));
  EXPECT_FALSE(queue_.poll_write().ready);
  queue_.failed(err::connreset);
  EXPECT_TRUE(queue_.poll_write().ready);
  EXPECT_TRUE(queue_.poll_write().hangup);
}

}  // namespace
}  // namespace wasi_netd::shim
