// One connection: bytes, both halves' ends, resets.
#include <atomic>
#include <chrono>
#include <fstream>
#include <unistd.h>
#include <utility>

#include "tests/e2e/differential/differential_test.h"

namespace wasi_netd::test {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

class Bytes : public ConnectedTest {};
INSTANTIATE_TEST_SUITE_P(Everywhere, Bytes, ::testing::Combine(kImplementations, kNets, kSides), NameOfCase());

TEST_P(Bytes, ArriveInOrderBothWaysAtOnce) {
  const std::string up = pattern(4 * kMegabyte, 1);
  const std::string down = pattern(4 * kMegabyte, 2);
  std::string got_up;
  std::thread peer_reads([&] { got_up = peer_.read(up.size()); });
  std::thread peer_writes([&] { peer_.write_all(down); });
  api_->set_nonblocking(socket_);
  std::string got_down;
  size_t sent = 0;
  std::string buffer(64 * 1024, '\0');
  while (sent < up.size() || got_down.size() < down.size()) {
    bool moved = false;
    if (sent < up.size()) {
      auto n = api_->write(socket_, std::string_view(up).substr(sent));
      moved = n.error == WASI_NETD_ERRNO_success;
      sent += n.value;
    }
    if (got_down.size() < down.size()) {
      auto n = api_->read(socket_, buffer.data(), buffer.size());
      moved = moved || n.error == WASI_NETD_ERRNO_success;
      got_down.append(buffer, 0, n.value);
    }
    if (!moved) api_->poll(socket_, got_down.size() < down.size() ? Half::kRead : Half::kWrite);
  }
  peer_reads.join();
  peer_writes.join();
  EXPECT_TRUE(got_up == up);
  EXPECT_TRUE(got_down == down);
}

TEST_P(Bytes, OfManySmallWritesAreOneSequence) {
  const std::string sent = pattern(20'000);
  for (size_t at = 0; at < sent.size(); at += 100) {
    ASSERT_EQ(api_->write(socket_, std::string_view(sent).substr(at, 100)).value, 100U);
  }
  EXPECT_TRUE(peer_.read(sent.size()) == sent);
}

TEST_P(Bytes, OfALargeWriteAllReachASlowReader) {
  const std::string sent = pattern(16 * kMegabyte);
  std::string got;
  std::thread slow([&] {
    for (size_t size = 1; got.size() < sent.size(); size = std::min(size * 2, size_t{65'536})) {
      got += peer_.read(std::min(size, sent.size() - got.size()));
    }
  });
  EXPECT_EQ(api_->write(socket_, sent).value, sent.size());
  slow.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(Bytes, AnswerAgainWhileThereAreNoneAndPollTellsWhenThereAre) {
  api_->set_nonblocking(socket_);
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_again);
  std::thread peer([&] { peer_.write_all("x"); });
  api_->poll(socket_, Half::kRead);
  EXPECT_EQ(read_byte(socket_).value, 1U);
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_again);
  peer.join();
}

TEST_P(Bytes, AnswerAgainWhenNoMoreFitAndPollTellsOfRoom) {
  api_->set_nonblocking(socket_);
  size_t total = write_until_again(socket_);
  std::string got;
  std::thread peer([&] { got = peer_.read(total + 4); });
  size_t sent = 0;
  while (sent < 4) {
    api_->poll(socket_, Half::kWrite);
    sent += api_->write(socket_, std::string_view("tail").substr(sent)).value;
  }
  peer.join();
  EXPECT_EQ(got.size(), total + 4);
  EXPECT_TRUE(got.ends_with("tail"));
}

TEST_P(Bytes, AreReadByABlockedReaderWhenTheyCome) {
  std::thread peer([&] { peer_.write_all("late"); });
  EXPECT_EQ(read(socket_, 4).value, "late");
  peer.join();
}

// The least that the kernel gives: 4 KiB, of which a part is its own.
class SmallWindow : public ConnectedTest {
 protected:
  void prepare_peer(NativeSocket& socket) override { socket.set_option(SOL_SOCKET, SO_RCVBUF, 4096); }

  // Until that thread of ours has slept, with `moved` as it is, for many looks in a row.
  static void wait_until_blocked(const std::atomic<pid_t>& thread, const std::atomic<size_t>& moved) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
    size_t last = 0;
    for (int quiet = 0; quiet < 200;) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the writer does not block";
      std::this_thread::yield();
      std::ifstream file("/proc/self/task/" + std::to_string(thread.load()) + "/stat");
      std::string line;
      std::getline(file, line);
      const size_t name_end = line.rfind(')');
      const bool sleeps = name_end != std::string::npos && line[name_end + 2] == 'S';
      quiet = sleeps && std::exchange(last, moved.load()) == moved.load() ? quiet + 1 : 0;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Everywhere, SmallWindow, ::testing::Combine(kImplementations, kNets, kSides), NameOfCase());

TEST_P(SmallWindow, HoldsTheWriterUntilThePeerReadsAndLosesNothing) {
  const std::string sent = pattern(8 * kMegabyte);
  std::atomic<pid_t> thread = 0;
  std::atomic<size_t> moved = 0;
  std::thread writer([&] {
    thread = ::gettid();
    while (moved < sent.size()) {
      const auto n = api_->write(socket_, std::string_view(sent).substr(moved, 64 * 1024));
      ASSERT_EQ(n.error, WASI_NETD_ERRNO_success);
      moved += n.value;
    }
  });
  wait_until_blocked(thread, moved);
  EXPECT_LT(moved, sent.size());
  std::string got = peer_.read(1000);  // a little, and it is full again
  wait_until_blocked(thread, moved);
  EXPECT_LT(moved, sent.size());
  got += peer_.read(sent.size() - got.size());
  writer.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(SmallWindow, IsNoReasonToLoseWhatWasWrittenBeforeTheProgramsExit) {
  const std::string sent = pattern(kMegabyte);
  std::string got;
  std::thread peer([&] {
    got = peer_.read(1);
    while (got.size() < sent.size() / 2) got += peer_.read(1000);
    got += peer_.read_to_end();
  });
  EXPECT_EQ(api_->write(socket_, sent).value, sent.size());
  api_->exit();
  peer.join();
  EXPECT_TRUE(got == sent);
}

class Halves : public ConnectedTest {};
INSTANTIATE_TEST_SUITE_P(Everywhere, Halves, ::testing::Combine(kImplementations, kNets, kSides), NameOfCase());

TEST_P(Halves, GiveEverythingThenTheEndForEver) {
  const std::string sent = pattern(kMegabyte);
  std::thread peer([&] {
    peer_.write_all(sent);
    peer_.shutdown_write();
  });
  EXPECT_TRUE(read_to_end(socket_) == sent);
  peer.join();
  EXPECT_EQ(read_byte(socket_).value, 0U);
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_success);
}

TEST_P(Halves, ThePeerEndedLeaveOursOpen) {
  peer_.shutdown_write();
  EXPECT_EQ(read_to_end(socket_), "");
  EXPECT_EQ(api_->write(socket_, "still here").value, 10U);
  EXPECT_EQ(peer_.read(10), "still here");
}

TEST_P(Halves, WeEndedLeaveThePeersOpen) {
  const std::string sent = pattern(kMegabyte);
  std::string got;
  std::thread peer([&] {
    got = peer_.read_to_end();
    peer_.write_all("answer");
    peer_.close();
  });
  EXPECT_EQ(api_->write(socket_, sent).value, sent.size());
  EXPECT_EQ(api_->shutdown(socket_, Half::kWrite), WASI_NETD_ERRNO_success);
  EXPECT_EQ(read_to_end(socket_), "answer");
  peer.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(Halves, WeEndedAnswerPipe) {
  EXPECT_EQ(api_->shutdown(socket_, Half::kWrite), WASI_NETD_ERRNO_success);
  EXPECT_EQ(api_->write(socket_, "x").error, WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(api_->write(socket_, "x").error, WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(api_->shutdown(socket_, Half::kWrite), WASI_NETD_ERRNO_success);
}

TEST_P(Halves, WeNoLongerReadGiveWhatWasThereThenTheEnd) {
  peer_.write_all("before");
  api_->poll(socket_, Half::kRead);
  EXPECT_EQ(api_->shutdown(socket_, Half::kRead), WASI_NETD_ERRNO_success);
  EXPECT_EQ(read_to_end(socket_), "before");
  EXPECT_EQ(api_->write(socket_, "still out").value, 9U);
  EXPECT_EQ(peer_.read(9), "still out");
}

TEST_P(Halves, EndWakesAPollerAndABlockedReader) {
  api_->set_nonblocking(socket_);
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_again);
  std::thread peer([&] { peer_.close(); });
  api_->poll(socket_, Half::kRead);
  auto end = read_byte(socket_);
  EXPECT_EQ(end.error, WASI_NETD_ERRNO_success);
  EXPECT_EQ(end.value, 0U);
  peer.join();
}

TEST_P(Halves, ClosedByUsComeBehindAllThatWasWritten) {
  const std::string sent = pattern(kMegabyte);
  std::string got;
  std::thread peer([&] { got = peer_.read_to_end(); });
  EXPECT_EQ(api_->write(socket_, sent).value, sent.size());
  api_->close(socket_);
  peer.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(Halves, LeftOpenAtTheProgramsExitComeBehindAllThatWasWritten) {
  const std::string sent = pattern(kMegabyte);
  std::string got;
  std::thread peer([&] { got = peer_.read_to_end(); });
  EXPECT_EQ(api_->write(socket_, sent).value, sent.size());
  api_->exit();
  peer.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(Halves, OfAPeerThatIsGoneAnswerPipeWhileItsBytesAreStillRead) {
  peer_.write_all("last words");
  peer_.close();
  // TCP tells of it by a reset to the first bytes that arrive there; what the peer sent before its end is not lost.
  EXPECT_EQ(error_of_writing(socket_), WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(read(socket_, 10).value, "last words");
  EXPECT_EQ(read_byte(socket_).value, 0U);
}

class Resets : public ConnectedTest {};
INSTANTIATE_TEST_SUITE_P(Tcp, Resets, ::testing::Combine(kImplementations, kTcpNets, kSides), NameOfCase());

TEST_P(Resets, AreConnresetToABlockedReaderAndThenPipeToAWriter) {
  std::thread peer([&] { peer_.reset(); });
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_connreset);
  EXPECT_EQ(api_->write(socket_, "x").error, WASI_NETD_ERRNO_pipe);
  EXPECT_EQ(api_->write(socket_, "x").error, WASI_NETD_ERRNO_pipe);
  peer.join();
}

TEST_P(Resets, WakeAPoller) {
  api_->set_nonblocking(socket_);
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_again);
  std::thread peer([&] { peer_.reset(); });
  api_->poll(socket_, Half::kRead);
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_connreset);
  peer.join();
}

TEST_P(Resets, ComeBehindTheBytesThatArrivedBefore) {
  peer_.write_all("before");
  api_->poll(socket_, Half::kRead);
  peer_.reset();
  auto got = read(socket_, 100);
  EXPECT_EQ(got.value, "before");
  EXPECT_EQ(got.error, WASI_NETD_ERRNO_connreset);
}

TEST_P(Resets, MakeShutdownNotconn) {
  peer_.reset();
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_connreset);
  EXPECT_EQ(api_->shutdown(socket_, Half::kWrite), WASI_NETD_ERRNO_notconn);
}

TEST_P(Resets, OfOursAreConnresetToThePeer) {
  EXPECT_EQ(api_->write(socket_, "half of it").value, 10U);
  EXPECT_EQ(peer_.read(10), "half of it");
  api_->abort();
  EXPECT_EQ(peer_.read_error(), ECONNRESET);
}

TEST_P(Resets, OfOursCutOffAPeerInTheMiddleOfItsUpload) {
  peer_.write_until_full();
  std::thread program([&] { api_->abort(); });
  int error = 0;
  while ((error = peer_.write_error()) == 0) {
  }
  program.join();
  EXPECT_EQ(error, ECONNRESET);
}

// A peer that resets behind bytes that nobody reads: what tells the program of it must not wait behind them.
class ResetsBehindUnreadBytes : public ConnectedTest {
 protected:
  static constexpr size_t kLittle = 150'000;  // about what wasi-netd's side of the host reads ahead
  static constexpr size_t kMuch = 64 * kMegabyte;
  // Sends as much of `size` as is taken by those who do not read.
  void fill_and_reset(size_t size) {
    const std::string chunk(10'000, 'x');
    for (size_t sent = 0; sent < size;) {
      pollfd room = {peer_.fd(), POLLOUT, 0};
      if (::poll(&room, 1, 200) != 1) break;
      const ssize_t n = ::send(peer_.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<size_t>(n);
    }
    peer_.reset();
  }
  // Of a write, at the latest when the test's patience is over.
  template <class Wait>
  Code error_of_writes(Wait wait) {
    const std::string chunk(64 * 1024, 'x');
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
    while (std::chrono::steady_clock::now() < deadline) {
      wait();
      const auto n = api_->write(socket_, chunk);
      if (n.error != WASI_NETD_ERRNO_success && n.error != WASI_NETD_ERRNO_again) return n.error;
    }
    return WASI_NETD_ERRNO_success;
  }
  // The kernel tells the first writer of a reset, every later one of a pipe; wasi-netd all of a pipe.
  void expect_broken(Code first) {
    EXPECT_TRUE(first == WASI_NETD_ERRNO_connreset || first == WASI_NETD_ERRNO_pipe) << wasi_netd_errno_name(first);
    EXPECT_EQ(api_->write(socket_, "x").error, WASI_NETD_ERRNO_pipe);
  }
};
INSTANTIATE_TEST_SUITE_P(Tcp, ResetsBehindUnreadBytes, ::testing::Combine(kImplementations, kTcpNets, kSides),
                         NameOfCase());

TEST_P(ResetsBehindUnreadBytes, EndABlockingWriterThatReadsNothing) {
  for (const size_t size : {kLittle, kMuch}) {
    SCOPED_TRACE(size);
    api_->poll(socket_, Half::kWrite);
    fill_and_reset(size);
    expect_broken(error_of_writes([] {}));
    reconnect();
  }
}

TEST_P(ResetsBehindUnreadBytes, EndAPollingWriterThatReadsNothing) {
  for (const size_t size : {kLittle, kMuch}) {
    SCOPED_TRACE(size);
    api_->set_nonblocking(socket_);
    api_->poll(socket_, Half::kWrite);
    fill_and_reset(size);
    expect_broken(error_of_writes([&] { api_->poll(socket_, Half::kWrite); }));
    reconnect();
  }
}

class UnreadBytes : public ConnectedTest {};
INSTANTIATE_TEST_SUITE_P(Everywhere, UnreadBytes, ::testing::Combine(kImplementations, kNets, kSides), NameOfCase());

TEST_P(UnreadBytes, OfAPeerThatClosesAreAReset) {
  EXPECT_EQ(api_->write(socket_, "never read").value, 10U);
  peer_.wait(POLLIN);
  peer_.close();
  EXPECT_EQ(read_byte(socket_).error, WASI_NETD_ERRNO_connreset);
}

}  // namespace
}  // namespace wasi_netd::test
