// What the daemon holds for guests that do not read.
#include <fstream>
#include <memory>
#include <poll.h>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/daemon_process.h"
#include "wasi_netd/client.hpp"

namespace wasi_netd::test {
namespace {

constexpr size_t kStreams = 1000;
constexpr size_t kMiB = size_t{1} << 20;

size_t resident_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1024;
  }
  throw std::runtime_error("no VmRSS");
}

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

// Opens the streams, has their peers send, and looks at the daemon.
class MemoryTest : public testing::Test {
 protected:
  struct Result {
    size_t reading = 0;  // streams that may read; the others were told `nobufs`
    size_t growth = 0;   // of the daemon, from open streams to full ones
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
  DaemonProcess daemon_;
};

MemoryTest::Result MemoryTest::fill() {
  const client::Tenant tenant(daemon_.socket_path("acme"));
  client::Guest guest(tenant);
  const client::Fd control = guest.open(guest.protocol("net"), "0.0.0.0:0");
  NativeSocket listener = native_bind(native_ip("127.0.0.1", 0));
  listener.set_option(SOL_SOCKET, SO_SNDBUF, 32 * 1024);  // a thousand of the kernel's own choice are gigabytes
  if (::listen(listener.fd(), 128) != 0) throw_errno("listen");
  const std::string address = "127.0.0.1:" + std::to_string(listener.local_port());
  std::vector<client::Fd> streams;
  std::vector<NativeSocket> peers;
  Result result;
  for (size_t i = 0; i < kStreams; ++i) {
    client::Fd connection = guest.connect(control, address);
    peers.push_back(listener.accept());
    streams.push_back(connection.stream());
    // The first byte read starts the stream's transfer, which from then on reads ahead.
    peers.back().write_all("x");
    char byte = 0;
    std::error_code error;
    streams.back().read({&byte, 1}, error);
    if (!error) ++result.reading;
    EXPECT_TRUE(!error || error.value() == WASI_NETD_ERRNO_nobufs) << error.message();
  }

  const size_t before = resident_bytes(daemon_.process().pid());
  const size_t sent = push_until_nothing_moves(peers);
  const size_t after = resident_bytes(daemon_.process().pid());
  result.growth = after > before ? after - before : 0;
  std::cout << sent / kMiB << " MiB sent, " << result.reading << " streams may read; the daemon grew from "
            << before / kMiB << " MiB by " << result.growth / kMiB << " MiB\n";
  return result;
}

TEST_F(MemoryTest, AThousandStreamsThatNobodyReadsCostNoMoreThanThePolicysBuffers) {
  ASSERT_NO_FATAL_FAILURE(start("128MiB"));
  if (IsSkipped()) return;
  const Result result = fill();
  EXPECT_EQ(result.reading, kStreams);
  EXPECT_LE(result.growth, 128 * kMiB);
}

TEST_F(MemoryTest, StreamsBeyondThePolicysBuffersAreRefusedAndCostNothing) {
  ASSERT_NO_FATAL_FAILURE(start("24MiB"));
  if (IsSkipped()) return;
  const Result result = fill();
  EXPECT_GT(result.reading, 0U);
  EXPECT_LT(result.reading, kStreams);
  EXPECT_LE(result.growth, 24 * kMiB);
}

}  // namespace
}  // namespace wasi_netd::test
