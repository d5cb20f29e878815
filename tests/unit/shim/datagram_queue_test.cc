// A stream of datagrams in the shim: what a guest's call answers, what goes to the daemon next, and how much is held.
#include <gtest/gtest.h>

#include "client-shim/src/stream_queue.h"

namespace wasi_netd::shim {
namespace {

using Frame = StreamQueue::Frame;
constexpr size_t kMost = StreamQueue::kMaxDatagram;
constexpr size_t kCost = StreamQueue::kDatagramOverhead;

class DatagramQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    queue_.start();
    queue_.opened(err::success);
    queue_.frame_written(true);
  }
  struct Read {
    Errno error;
    std::string bytes;
    bool truncated = false;
    bool operator==(const Read&) const = default;
  };
  Read read(size_t size, bool peek = false) {
    std::string buffer(size, '\0');
    const wasi_netd_iovec iov{buffer.data(), buffer.size()};
    size_t count = 0;
    bool truncated = false;
    const Errno error = queue_.read_datagram({&iov, 1}, peek, count, truncated);
    return {error, buffer.substr(0, count), truncated};
  }
  Errno write(std::string_view data) {
    const wasi_netd_ciovec iov{data.data(), data.size()};
    size_t count = 0;
    const Errno error = queue_.write_datagram({&iov, 1}, count);
    EXPECT_EQ(count, error == err::success ? data.size() : 0);
    return error;
  }
  // The sizes of the datagrams in the next frame; empty when it is another.
  std::vector<size_t> frame() {
    std::string unused;
    std::vector<size_t> sizes;
    if (queue_.take_frame(unused) == Frame::kDatagrams) {
      for (const std::string& datagram : queue_.frame_datagrams()) sizes.push_back(datagram.size());
    }
    return sizes;
  }

  const Read kAgain{err::again, ""};
  const Read kEnd{err::success, ""};
  StreamQueue queue_{true};
};

TEST_F(DatagramQueueTest, DGRAM_2_EachReadIsOneDatagramAndAnEmptyOneIsOne) {
  queue_.received_datagrams({"one", "", "three"}, false);
  EXPECT_EQ(read(100), (Read{err::success, "one"}));
  EXPECT_EQ(queue_.poll_read().ready, true);
  EXPECT_EQ(queue_.poll_read().bytes, 0u);
  EXPECT_FALSE(queue_.poll_read().hangup) << "an empty datagram is no end";
  EXPECT_EQ(read(100), (Read{err::success, ""}));
  EXPECT_EQ(queue_.poll_read().bytes, 5u);
  EXPECT_EQ(read(100), (Read{err::success, "three"}));
  EXPECT_EQ(read(100), kAgain);
  EXPECT_EQ(queue_.queued(), 0u);
}

TEST_F(DatagramQueueTest, DGRAM_2_WhatDoesNotFitIsLostAndSaidSo) {
  queue_.received_datagrams({"abcdef", "next"}, false);
  EXPECT_EQ(read(4, true), (Read{err::success, "abcd", true})) << "peek";
  EXPECT_EQ(read(4), (Read{err::success, "abcd", true}));
  EXPECT_EQ(read(0), (Read{err::success, "", true}));
  EXPECT_EQ(read(9), kAgain);
}

TEST_F(DatagramQueueTest, TheDaemonsCutMarksTheLastOfItsFrame) {
  queue_.received_datagrams({"a", "b"}, true);
  EXPECT_EQ(read(9), (Read{err::success, "a", false}));
  EXPECT_EQ(read(9), (Read{err::success, "b", true}));
}

TEST_F(DatagramQueueTest, SeveralBuffersAreFilledInTurn) {
  queue_.received_datagrams({"abcdef"}, false);
  char first[2], second[9];
  const wasi_netd_iovec iovs[] = {{first, 2}, {nullptr, 0}, {second, 9}};
  size_t count = 0;
  bool truncated = true;
  EXPECT_EQ(queue_.read_datagram(iovs, false, count, truncated), err::success);
  EXPECT_EQ(std::string(first, 2) + std::string(second, 4), "abcdef");
  EXPECT_EQ(count, 6u);
  EXPECT_FALSE(truncated);
}

TEST_F(DatagramQueueTest, SeveralBuffersAreOneDatagram) {
  const wasi_netd_ciovec iovs[] = {{"ab", 2}, {nullptr, 0}, {"cde", 3}};
  size_t count = 0;
  EXPECT_EQ(queue_.write_datagram(iovs, count), err::success);
  EXPECT_EQ(count, 5u);
  EXPECT_EQ(frame(), std::vector<size_t>({5}));
}

TEST_F(DatagramQueueTest, DGRAM_3_TheLargestPassesAndNoByteMore) {
  EXPECT_EQ(write(std::string(kMost, 'x')), err::success);
  EXPECT_EQ(write(std::string(kMost + 1, 'x')), err::msgsize);
  const std::string half(kMost / 2 + 1, 'x');
  const wasi_netd_ciovec iovs[] = {{half.data(), half.size()}, {half.data(), half.size()}};
  size_t count = 0;
  EXPECT_EQ(queue_.write_datagram(iovs, count), err::msgsize);
  EXPECT_EQ(frame(), std::vector<size_t>({kMost}));
}

TEST_F(DatagramQueueTest, WhatIsWrittenWhileAFrameIsUnderWayLeavesTogether) {
  EXPECT_EQ(write("a"), err::success);
  EXPECT_EQ(frame(), std::vector<size_t>({1}));
  for (const char* data : {"", "bb", "ccc"}) EXPECT_EQ(write(data), err::success);
  EXPECT_EQ(frame(), std::vector<size_t>()) << "one at a time";
  queue_.frame_written(true);
  EXPECT_EQ(frame(), std::vector<size_t>({0, 2, 3}));
}

TEST_F(DatagramQueueTest, AFrameHasSoManyAndSoMuch) {
  for (size_t i = 0; i < StreamQueue::kMaxDatagrams + 1; ++i) EXPECT_EQ(write("x"), err::success);
  EXPECT_EQ(frame().size(), StreamQueue::kMaxDatagrams);
  queue_.frame_written(true);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(write(std::string(30'000, 'y')), err::success);
  EXPECT_EQ(frame(), std::vector<size_t>({1, 30'000, 30'000}));
  queue_.frame_written(true);
  EXPECT_EQ(frame(), std::vector<size_t>({30'000}));
}

TEST_F(DatagramQueueTest, TheQueueIsBoundedInBytesAndInNumber) {
  size_t taken = 0;
  while (write("") == err::success) ++taken;
  EXPECT_EQ(taken, StreamQueue::kSendLimit / kCost);
  EXPECT_FALSE(queue_.poll_write().ready);
  frame();
  EXPECT_FALSE(queue_.poll_write().ready) << "what is under way still counts";
  while (queue_.frame_written(true), !frame().empty()) {
  }
  EXPECT_TRUE(queue_.poll_write().ready);
  EXPECT_EQ(write(std::string(kMost, 'x')), err::success) << "ready means room for any";
}

TEST_F(DatagramQueueTest, NothingIsTakenBeforeTheDaemonHasAnswered) {
  StreamQueue fresh(true);
  const wasi_netd_ciovec iov{"x", 1};
  size_t count = 0;
  EXPECT_EQ(fresh.write_datagram({&iov, 1}, count), err::again);
  fresh.start();
  EXPECT_EQ(fresh.write_datagram({&iov, 1}, count), err::again);
  fresh.opened(err::nobufs);
  EXPECT_EQ(fresh.take_refusal(), err::nobufs);
}

TEST_F(DatagramQueueTest, DGRAM_4_APassingErrorIsToldOnceToTheNextReadOrWrite) {
  queue_.received_datagrams({"before"}, false);
  queue_.passing_error(err::connrefused);
  EXPECT_TRUE(queue_.settled());
  EXPECT_TRUE(queue_.poll_read().ready);
  EXPECT_TRUE(queue_.poll_write().ready);
  EXPECT_EQ(read(9), (Read{err::connrefused, ""}));
  EXPECT_EQ(read(9), (Read{err::success, "before"}));
  queue_.passing_error(err::hostunreach);
  queue_.passing_error(err::connrefused);
  EXPECT_EQ(write("x"), err::connrefused) << "the last one";
  EXPECT_EQ(frame(), std::vector<size_t>()) << "that write sent nothing";
  EXPECT_EQ(write("x"), err::success);
  EXPECT_EQ(read(9), kAgain);
}

TEST_F(DatagramQueueTest, APassingErrorIsToldBeforeTheEndOfWriting) {
  queue_.passing_error(err::connrefused);
  queue_.write_failed(err::notconn);
  EXPECT_EQ(write("x"), err::connrefused);
  EXPECT_EQ(write("x"), err::notconn);
  EXPECT_EQ(write("x"), err::notconn);
}

TEST_F(DatagramQueueTest, TheEndAndADeadStreamStayAsForBytes) {
  queue_.received_datagrams({"a"}, false);
  queue_.fin();
  EXPECT_EQ(read(9), (Read{err::success, "a"}));
  EXPECT_EQ(read(9), kEnd);
  EXPECT_TRUE(queue_.poll_read().hangup);
  queue_.write_failed(err::pipe);
  EXPECT_EQ(write("x"), err::pipe);
}

TEST_F(DatagramQueueTest, WhatWasWrittenLeavesBeforeTheClose) {
  EXPECT_EQ(write("a"), err::success);
  EXPECT_EQ(write("b"), err::success);
  EXPECT_TRUE(queue_.close());
  EXPECT_EQ(frame(), std::vector<size_t>({1, 1}));
  queue_.frame_written(true);
  std::string unused;
  EXPECT_EQ(queue_.take_frame(unused), Frame::kClose);
}

TEST_F(DatagramQueueTest, ARevokedStreamForgetsEverything) {
  queue_.received_datagrams({"a"}, false);
  EXPECT_EQ(write("b"), err::success);
  queue_.passing_error(err::connrefused);
  queue_.revoked();
  EXPECT_EQ(read(9).error, err::notcapable);
  EXPECT_EQ(write("x"), err::notcapable);
  EXPECT_EQ(frame(), std::vector<size_t>());
}

TEST_F(DatagramQueueTest, FramesOfTheOtherKindAreDropped) {
  queue_.received("bytes");
  EXPECT_EQ(read(9), kAgain);
  StreamQueue bytes;
  bytes.start();
  bytes.opened(err::success);
  bytes.received_datagrams({"a"}, false);
  bytes.passing_error(err::connrefused);
  EXPECT_EQ(bytes.queued(), 0u);
  EXPECT_FALSE(bytes.settled());
}

}  // namespace
}  // namespace wasi_netd::shim
