// What the daemon holds for guests that do not read.
#include <memory>
#include <poll.h>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/daemon_process.h"
#include "tests/support/proc.h"
#include "wasi_netd/client.hpp"

namespace wasi_netd::test {
namespace {

constexpr size_t kStreams = 1000;
constexpr size_t kMiB = size_t{1} << 20;

// Every peer sends until nothing takes a byte from any of them any more. Returns how much went.
size_t push_until_nothing_moves(std::vector<NativeSocket>& peers) {
  constexpr int kQuietMilliseconds = 1000;
  std::vector<pollfd> entries;
  entries.reserve(peers.size());
  for (const auto& peer : peers) entries.push_back({peer.fd(), POLLOUT, 0});
  size_t total = 0;
  while (::poll(entries.data(), entries.size(), kQuietMilliseconds) > 0) {
    for (size_t i = 0; i < peers.size(); ++i) {
      if (entries[i].revents != 0) total += peers[i].write_until_full();
    }
  }
  return total;
}

enum class Direction { kToGuest, kToPeer };

// Opens streams, fills them in one direction although nobody reads at the other end, and looks at the daemon.
class MemoryTest : public testing::TestWithParam<Direction> {
 protected:
  struct Result {
    size_t moving = 0;  // streams that may move bytes; the others were told `nobufs`
    size_t growth = 0;  // of the daemon, from no stream to all of them full
  };
  void start(const std::string& buffers) {
    rlimit files{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < 4000) GTEST_SKIP() << "needs a hard limit of 4000 open files, has " << files.rlim_max;
    daemon_.add_tenant("acme",
                       "protocols: {net: {transport: tcp, connect: {allow: [\"127.0.0.1\"]}}}\n"
                       "limits: {buffers: " +
                           buffers + "}\n");
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  }
  Result fill();

 private:
  struct Streams {
    std::vector<client::Fd> ours;
    std::vector<NativeSocket> peers;
  };
  Streams open(client::Guest& guest);
  static size_t write_until_nothing_moves(client::Guest& guest, std::vector<client::Fd>& streams);

  DaemonProcess daemon_;
};

MemoryTest::Streams MemoryTest::open(client::Guest& guest) {
  constexpr int kKernelBuffer = 32 * 1024;  // a thousand of the kernel's own choice are gigabytes
  const client::Fd control = guest.open(guest.protocol("net"), "0.0.0.0:0");
  NativeSocket listener = native_bind(native_ip("127.0.0.1", 0));
  listener.set_option(SOL_SOCKET, SO_SNDBUF, kKernelBuffer);
  listener.set_option(SOL_SOCKET, SO_RCVBUF, kKernelBuffer);
  if (::listen(listener.fd(), 128) != 0) throw_errno("listen");
  const std::string address = "127.0.0.1:" + std::to_string(listener.local_port());
  Streams streams;
  for (size_t i = 0; i < kStreams; ++i) {
    client::Fd connection = guest.connect(control, address);
    EXPECT_EQ(wasi_netd_set_option(guest.get(), connection.number(), WASI_NETD_OPTION_SEND_BUFFER, kKernelBuffer), 0);
    streams.peers.push_back(listener.accept());
    streams.ours.push_back(connection.stream());
    // The first byte read starts the stream's transfer, which from then on reads ahead.
    streams.peers.back().write_all("x");
    char byte = 0;
    std::error_code error;
    streams.ours.back().read({&byte, 1}, error);
    EXPECT_TRUE(!error || error.value() == WASI_NETD_ERRNO_nobufs) << error.message();
    if (!error) continue;
    streams.ours.pop_back();
    streams.peers.pop_back();
  }
  return streams;
}

// What the guest wrote until no stream took a byte any more. Nothing but `again` may be in the way.
size_t MemoryTest::write_until_nothing_moves(client::Guest& guest, std::vector<client::Fd>& streams) {
  constexpr uint64_t kQuietNanoseconds = 1'000'000'000;
  const std::string chunk(64 * 1024, 'x');
  std::vector<wasi_netd_subscription> waits(streams.size() + 1);
  for (size_t i = 0; i < streams.size(); ++i) {
    streams[i].set_nonblock(true);
    waits[i].userdata = i;
    waits[i].type = WASI_NETD_EVENT_WRITE;
    waits[i].fd = streams[i].number();
  }
  waits.back().userdata = streams.size();
  waits.back().type = WASI_NETD_EVENT_CLOCK;
  waits.back().clock_id = WASI_NETD_CLOCK_MONOTONIC;
  waits.back().timeout_ns = kQuietNanoseconds;
  size_t total = 0;
  for (;;) {
    bool quiet = true;
    for (const wasi_netd_event& event : guest.poll(waits)) {
      if (event.userdata == streams.size()) continue;
      quiet = false;
      std::error_code error;
      while (!error) total += streams[event.userdata].write(chunk, error);
      if (error.value() != WASI_NETD_ERRNO_again) {
        ADD_FAILURE() << error.message();
        return total;
      }
    }
    if (quiet) return total;
  }
}

MemoryTest::Result MemoryTest::fill() {
  const client::Tenant tenant(daemon_.socket_path("acme"));
  client::Guest guest(tenant);  // with it the daemon has what it needs once for a tenant
  const size_t before = resident_bytes(daemon_.process().pid());
  Streams streams = open(guest);
  const size_t moved = GetParam() == Direction::kToGuest ? push_until_nothing_moves(streams.peers)
                                                         : write_until_nothing_moves(guest, streams.ours);
  const size_t after = resident_bytes(daemon_.process().pid());
  Result result;
  result.moving = streams.ours.size();
  result.growth = after > before ? after - before : 0;
  std::cout << moved / kMiB << " MiB moved, " << result.moving << " streams may; the daemon grew from " << before / kMiB
            << " MiB by " << result.growth / kMiB << " MiB\n";
  for (client::Fd& stream : streams.ours) (void)stream.release();
  guest.abort();  // takes them with it; nobody would read what is still on its way
  return result;
}

INSTANTIATE_TEST_SUITE_P(Directions, MemoryTest, testing::Values(Direction::kToGuest, Direction::kToPeer),
                         [](const auto& direction) {
                           return direction.param == Direction::kToGuest ? "ToGuest" : "ToPeer";
                         });

TEST_P(MemoryTest, AThousandStreamsThatNobodyReadsCostNoMoreThanThePolicysBuffers) {
  ASSERT_NO_FATAL_FAILURE(start("160MiB"));
  if (IsSkipped()) return;
  const Result result = fill();
  EXPECT_EQ(result.moving, kStreams);
  if (!kMemoryTells) GTEST_SKIP() << "the sanitizer's own memory is in it";
  EXPECT_LE(result.growth, 160 * kMiB);
}

TEST_P(MemoryTest, StreamsBeyondThePolicysBuffersAreRefusedAndCostNothing) {
  ASSERT_NO_FATAL_FAILURE(start("48MiB"));
  if (IsSkipped()) return;
  const Result result = fill();
  EXPECT_GT(result.moving, 0U);
  EXPECT_LT(result.moving, kStreams);
  if (!kMemoryTells) GTEST_SKIP() << "the sanitizer's own memory is in it";
  EXPECT_LE(result.growth, 48 * kMiB);
}

}  // namespace
}  // namespace wasi_netd::test
