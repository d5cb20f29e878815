#include "daemon/base/line_writer.h"

#include <atomic>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <latch>
#include <poll.h>
#include <set>
#include <sstream>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/base/audit_log.h"

namespace wasi_netd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto kLimit = 20s;  // for what must happen; a failing test, not a measure

class LineWriterTest : public testing::Test {
 protected:
  LineWriterTest() {
    char name[] = "/tmp/wasi-netd-lines-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~LineWriterTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> result;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) result.push_back(line);
    return result;
  }
  static std::string content(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Of a pipe or FIFO whose writer exists, to its end.
  static std::string read_all(int fd) {
    std::string text;
    char buffer[65536];
    for (;;) {
      pollfd waiting{fd, POLLIN, 0};
      poll(&waiting, 1, -1);
      const ssize_t n = read(fd, buffer, sizeof buffer);
      if (n > 0) text.append(buffer, static_cast<size_t>(n));
      if (n == 0 || (n < 0 && errno != EAGAIN)) return text;
    }
  }

  std::string directory_;
};

// A pipe of one page, whose reader reads only when told: its writer is soon blocked.
class SmallPipe {
 public:
  SmallPipe() {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    reader_ = fds[0];
    writer_ = fds[1];
    EXPECT_GT(fcntl(writer_, F_SETPIPE_SZ, 4096), 0);
  }
  ~SmallPipe() {
    close_writer();
    close_reader();
  }
  int writer() const { return writer_; }
  void close_reader() {
    if (reader_ >= 0) close(std::exchange(reader_, -1));
  }
  void close_writer() {
    if (writer_ >= 0) close(std::exchange(writer_, -1));
  }
  int reader() const { return reader_; }
  std::string read_some() {
    char buffer[4096];
    const ssize_t n = read(reader_, buffer, sizeof buffer);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
  }
  // Fills it to the brim, on a description of our own so that the shared one keeps its flags.
  void fill() {
    const int fd = open(("/proc/self/fd/" + std::to_string(writer_)).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    const std::string page(4096, '#');
    while (write(fd, page.data(), page.size()) > 0) {
    }
    close(fd);
  }

 private:
  int reader_ = -1, writer_ = -1;
};

TEST_F(LineWriterTest, LinesOfOneThreadArriveInOrder) {
  auto writer = LineWriter::open(path("log"), 10'000, {});
  ASSERT_TRUE(writer);
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    (*writer)->write("line " + std::to_string(i));
    expected += "line " + std::to_string(i) + "\n";
  }
  ASSERT_TRUE((*writer)->flush(kLimit));
  EXPECT_EQ(content(path("log")), expected);
  EXPECT_EQ((*writer)->lost(), 0u);
}

TEST_F(LineWriterTest, LinesOfManyThreadsArriveWholeAndOnce) {
  constexpr int kThreads = 4, kLines = 1000;
  auto writer = LineWriter::open(path("log"), kThreads * kLines, {});
  ASSERT_TRUE(writer);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kLines; ++i) (*writer)->write(std::to_string(t) + ":" + std::to_string(i));
    });
  }
  for (auto& thread : threads) thread.join();
  writer->reset();
  const auto found = lines(content(path("log")));
  EXPECT_EQ(found.size(), size_t{kThreads * kLines});
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), size_t{kThreads * kLines});
}

TEST_F(LineWriterTest, ItAppendsToAnExistingFile) {
  { std::ofstream(path("log")) << "before\n"; }
  {
    auto writer = LineWriter::open(path("log"), 10, {});
    ASSERT_TRUE(writer);
    (*writer)->write("after");
  }
  EXPECT_EQ(content(path("log")), "before\nafter\n");
}

TEST_F(LineWriterTest, ANewFileIsNotReadableByOthers) {
  const mode_t before = umask(0);
  auto writer = LineWriter::open(path("log"), 10, {});
  umask(before);
  ASSERT_TRUE(writer);
  struct stat status {};
  ASSERT_EQ(stat(path("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(LineWriterTest, ASymbolicLinkIsRefused) {
  ASSERT_EQ(symlink(path("target").c_str(), path("link").c_str()), 0);
  auto writer = LineWriter::open(path("link"), 10, {});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, Errno::loop);
  EXPECT_THAT(writer.error().detail, HasSubstr(path("link")));
}

TEST_F(LineWriterTest, AFifoWithoutReaderIsRefusedAndDoesNotHang) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(LineWriter::open(path("fifo"), 10, {}));
}

TEST_F(LineWriterTest, AMissingDirectoryIsAnErrorThatNamesThePath) {
  auto writer = LineWriter::open(path("none/log"), 10, {});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, Errno::noent);
  EXPECT_THAT(writer.error().detail, HasSubstr(path("none/log")));
}

TEST_F(LineWriterTest, ABlockedSinkLosesTheOldestLinesAndCountsThem) {
  SmallPipe pipe;
  pipe.fill();
  LineWriter::Hooks hooks;
  std::atomic<uint64_t> told = 0;
  hooks.gap = [&](uint64_t lost) {
    told += lost;
    return "lost " + std::to_string(lost);
  };
  auto writer = LineWriter::share(pipe.writer(), 3, std::move(hooks));
  ASSERT_TRUE(writer);
  for (int i = 0; i < 1000; ++i) (*writer)->write("line " + std::to_string(i));  // returns: nobody reads
  EXPECT_FALSE((*writer)->flush(0ms));

  // The queue keeps three; one more may be in the writer's hand.
  const uint64_t lost = (*writer)->lost();
  EXPECT_GE(lost, 996u);
  EXPECT_LE(lost, 997u);

  pipe.read_some();
  ASSERT_TRUE((*writer)->flush(kLimit));
  EXPECT_EQ((*writer)->lost(), lost);
  EXPECT_EQ(told, lost);
  writer->reset();
  pipe.close_writer();
  // Every line is there or told as lost in its place.
  int next = 0;
  for (const auto& line : lines(read_all(pipe.reader()))) {
    if (line.starts_with("lost ")) {
      next += std::stoi(line.substr(5));
    } else {
      EXPECT_EQ(line, "line " + std::to_string(next));
      ++next;
    }
  }
  EXPECT_EQ(next, 1000);
}

TEST_F(LineWriterTest, DestructionWithABlockedSinkIsBounded) {
  SmallPipe pipe;
  pipe.fill();
  auto writer = LineWriter::share(pipe.writer(), 100, {});
  ASSERT_TRUE(writer);
  for (int i = 0; i < 50; ++i) (*writer)->write("line");
  const auto begin = std::chrono::steady_clock::now();
  writer->reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, LineWriter::kStopLimit + kLimit);
}

TEST_F(LineWriterTest, DestructionWritesWhatIsQueuedOnceTheSinkTakesIt) {
  SmallPipe pipe;
  pipe.fill();
  auto writer = LineWriter::share(pipe.writer(), 1000, {});
  ASSERT_TRUE(writer);
  for (int i = 0; i < 500; ++i) (*writer)->write("line " + std::to_string(i));
  std::string text;
  std::thread reader([&] { text = read_all(pipe.reader()); });
  writer->reset();
  pipe.close_writer();
  reader.join();
  EXPECT_THAT(text, HasSubstr("line 499\n"));
}

TEST_F(LineWriterTest, TheSharedDescriptorStaysBlocking) {
  SmallPipe pipe;
  auto writer = LineWriter::share(pipe.writer(), 10, {});
  ASSERT_TRUE(writer);
  EXPECT_EQ(fcntl(pipe.writer(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(LineWriterTest, ASharedFileKeepsItsOffset) {
  const int fd = open(path("out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "first\n", 6), 6);
  {
    auto writer = LineWriter::share(fd, 10, {});
    ASSERT_TRUE(writer);
    (*writer)->write("second");
  }
  ASSERT_EQ(write(fd, "third\n", 6), 6);
  close(fd);
  EXPECT_EQ(content(path("out")), "first\nsecond\nthird\n");
}

TEST_F(LineWriterTest, ABlockedSocketLosesLinesToo) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  auto writer = LineWriter::share(fds[0], 10, {});
  ASSERT_TRUE(writer);
  const std::string line(60'000, 'x');
  for (int i = 0; i < 100; ++i) (*writer)->write(line);
  EXPECT_GT((*writer)->lost(), 0u);
  EXPECT_EQ(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
  close(fds[1]);
  EXPECT_TRUE((*writer)->flush(kLimit));  // refused: lost, not waiting
  close(fds[0]);
}

TEST_F(LineWriterTest, AReaderThatLeftIsToldOnceAndDoesNotKillTheProcess) {
  SmallPipe pipe;
  std::atomic<int> failures = 0;
  LineWriter::Hooks hooks;
  hooks.failed = [&](const Error& error) {
    EXPECT_EQ(error.code, Errno::pipe);
    ++failures;
  };
  auto writer = LineWriter::share(pipe.writer(), 100, std::move(hooks));
  ASSERT_TRUE(writer);
  pipe.close_reader();
  for (int i = 0; i < 5; ++i) (*writer)->write("line");
  ASSERT_TRUE((*writer)->flush(kLimit));
  EXPECT_EQ(failures, 1);
  EXPECT_EQ((*writer)->lost(), 5u);
}

TEST_F(LineWriterTest, AHookMayWriteToItsOwnWriter) {
  SmallPipe pipe;
  LineWriter* self = nullptr;
  std::latch known(1);
  LineWriter::Hooks hooks;
  hooks.failed = [&](const Error& error) {
    known.wait();
    self->write(error.detail);
  };
  auto writer = LineWriter::share(pipe.writer(), 100, std::move(hooks));
  ASSERT_TRUE(writer);
  self = writer->get();
  known.count_down();
  pipe.close_reader();
  (*writer)->write("line");
  EXPECT_TRUE((*writer)->flush(kLimit));
}

TEST_F(LineWriterTest, AuditRecordsGoToTheFileOneALine) {
  auto audit = AuditLog::open(path("audit"), 100);
  ASSERT_TRUE(audit);
  (*audit)->write(R"({"event":"one"})");
  (*audit)->write(R"({"event":"two"})");
  ASSERT_TRUE((*audit)->flush());
  EXPECT_EQ(content(path("audit")), "{\"event\":\"one\"}\n{\"event\":\"two\"}\n");
  EXPECT_EQ((*audit)->dropped(), 0u);
}

TEST_F(LineWriterTest, TheAuditFileSaysHowManyRecordsAreMissingAndWhere) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  const int reader = open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  auto audit = AuditLog::open(path("fifo"), 2);
  ASSERT_TRUE(audit);
  const std::string record = R"({"event":")" + std::string(60'000, 'x') + R"("})";
  for (int i = 0; i < 20; ++i) (*audit)->write(record);
  const uint64_t dropped = (*audit)->dropped();
  EXPECT_GT(dropped, 0u);

  std::string text;
  std::thread reading([&] { text = read_all(reader); });
  audit->reset();
  reading.join();
  close(reader);
  uint64_t told = 0, records = 0;
  for (const auto& line : lines(text)) {
    constexpr std::string_view kGap = R"("event":"records_lost","count":)";
    if (const size_t at = line.find(kGap); at != std::string::npos) {
      told += std::stoull(line.substr(at + kGap.size()));
    } else {
      EXPECT_EQ(line, record);
      ++records;
    }
  }
  EXPECT_EQ(told, dropped);
  EXPECT_EQ(told + records, 20u);
}

TEST_F(LineWriterTest, AuditTimeIsUtcWithMilliseconds) {
  EXPECT_THAT(audit_time(), testing::MatchesRegex(R"(2[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\.[0-9]+Z)"));
  EXPECT_EQ(audit_time().size(), std::string("2024-05-01T12:00:00.123Z").size());
}

}  // namespace
}  // namespace wasi_netd
