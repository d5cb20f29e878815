// Either side dies without a word, or the daemon is told to stop, with bytes and calls under way.
#include <dirent.h>
#include <thread>

#include "tests/e2e/host/host_test.h"

namespace wasi_netd::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

// The errno that ends the stream after whatever is still in it; 0 for a clean end.
int how_it_ends(NativeSocket& peer) {
  char bytes[65536];
  for (;;) {
    const ssize_t n = ::recv(peer.fd(), bytes, sizeof bytes, 0);
    if (n <= 0) return n == 0 ? 0 : errno;
  }
}

// Every thread of the process waits for something. With its last answer printed, a guest is then inside its next call.
bool all_asleep(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    const std::string stat = contents(task.path() / "stat");
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos || stat[name_end + 2] != 'S') return false;
  }
  return true;
}
void wait_until_asleep(pid_t pid) {
  const auto deadline = std::chrono::steady_clock::now() + Process::kPatience;
  while (!all_asleep(pid)) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "process " << pid << " does not come to rest";
    std::this_thread::yield();
  }
}

class KillTest : public HostTest {
 protected:
  // A guest that connects to `server` and then does `more`.
  std::vector<std::string> connected(const NativeSocket& server, std::vector<std::string> more) {
    more.insert(more.begin(), {"c= open net 0.0.0.0:0", "k= connect c " + address_of(server), "s= create k"});
    return more;
  }
  NativeSocket server_ = native_listen(native_ip("127.0.0.1", 0));
};

TEST_F(KillTest, AKilledHostsUploadEndsInAResetAndItsQuotaComesBack) {
  acme(std::string(kLoopback) + "limits: {connections: 1, sessions: 1, handles: 4}\n");
  start_daemon();
  Process host(guest("semantics", connected(server_, {"fill s 1000000000"})));
  NativeSocket peer = server_.accept();
  ASSERT_THAT(peer.read(1 << 20), SizeIs(1 << 20));
  host.kill(SIGKILL);
  EXPECT_EQ(how_it_ends(peer), ECONNRESET);
  EXPECT_EQ(host.wait(), (Process::Exit{-1, SIGKILL}));

  Process next(guest("semantics", connected(server_, {"write s hello"})));
  EXPECT_EQ(server_.accept().read_to_end(), "hello");
  EXPECT_EQ(next.wait(), kDone) << next.standard_output() << next.standard_error();
}

TEST_F(KillTest, BlockedCallsOfGuestsEndWhenTheDaemonIsKilled) {
  acme();
  start_daemon();
  const auto output = [&](const std::string& name) {
    return std::vector<std::string>{"stdout: " + path(name), "name: " + name};
  };
  Process host(
      manifest({{"acme", "semantics", connected(server_, {"read s 10", "read s 10", "close s"}), output("read")},
                {"acme",
                 "semantics",
                 {"c= open net 127.0.0.1:0", "listen c", "accept c", "accept c", "close c"},
                 output("accept")},
                {"acme", "semantics", connected(server_, {"poll - s:r", "read s 1", "read s 1"}), output("poll")}}));
  NativeSocket one = server_.accept();
  NativeSocket other = server_.accept();
  const auto answers = [&](const std::string& name) { return lines_of(contents(path(name))); };
  const auto deadline = std::chrono::steady_clock::now() + Process::kPatience;
  while (answers("read").size() < 3 || answers("accept").size() < 2 || answers("poll").size() < 3) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  wait_until_asleep(host.pid());
  daemon_.process().kill(SIGKILL);

  EXPECT_EQ(host.wait(), kDone) << host.standard_output() << host.standard_error();
  how_it_ends(one);  // the kernel closes a killed process's sockets as it likes, but it does
  how_it_ends(other);
  const auto read = answers("read"), accept = answers("accept"), poll = answers("poll");
  ASSERT_THAT(read, SizeIs(6));
  EXPECT_EQ(read[3], "connaborted");
  EXPECT_EQ(read[4], "badf");
  EXPECT_EQ(read[5], "success");
  ASSERT_THAT(accept, SizeIs(5));
  EXPECT_EQ(accept[2], "connaborted");
  EXPECT_EQ(accept[3], "badf");
  EXPECT_EQ(accept[4], "success");
  ASSERT_THAT(poll, SizeIs(6));
  EXPECT_THAT(poll[3], StartsWith("success n=1 "));
  EXPECT_THAT(poll[4], AnyOf("connaborted", "badf"));
  EXPECT_EQ(poll[5], "badf");
}

TEST_F(KillTest, AKilledDaemonsConnectionsAreResetBothWays) {
  acme();
  start_daemon();
  Process host(guest("semantics", connected(server_, {"fill s 1000000000"})));
  NativeSocket dialled = server_.accept();
  ASSERT_THAT(dialled.read(1 << 20), SizeIs(1 << 20));
  Process server(guest("semantics", {"c= open net 127.0.0.1:0", "listen c", "local c", "k= accept c", "s= saccept k",
                                     "write s hello", "read s 1"}));
  ASSERT_TRUE(server.wait_stdout("127.0.0.1:")) << server.standard_error();
  const std::string where = lines_of(server.standard_output()).back();
  const auto port = static_cast<uint16_t>(std::stoul(where.substr(where.rfind(':') + 1)));
  NativeSocket accepted = native_connect(native_ip("127.0.0.1", port));
  ASSERT_EQ(accepted.read(5), "hello");

  daemon_.process().kill(SIGKILL);
  EXPECT_EQ(how_it_ends(dialled), ECONNRESET);
  EXPECT_EQ(how_it_ends(accepted), ECONNRESET);
}

TEST_F(KillTest, AConnectionThatAGuestFinishedIsNotResetByTheDaemonsDeath) {
  acme();
  start_daemon();
  Process host(guest("semantics", connected(server_, {"write s hello", "close s", "close k"})));
  NativeSocket peer = server_.accept();
  EXPECT_EQ(peer.read_to_end(), "hello");
  daemon_.process().kill(SIGKILL);
  ASSERT_EQ(daemon_.process().wait(), (Process::Exit{-1, SIGKILL}));
  EXPECT_EQ(how_it_ends(peer), 0);
}

TEST_F(KillTest, ADaemonStartedAgainServesTheNewGuestsOfTheSameHost) {
  acme();
  start_daemon();
  GuestInput first(path("first.in")), second(path("second.in"));
  const std::vector<std::string> reads = connected(server_, {"read s 5"});
  Process host(manifest({{"acme", "semantics", reads, {"stdout: " + path("first"), "stdin: " + first.path()}},
                         {"acme", "semantics", reads, {"stdout: " + path("second"), "stdin: " + second.path()}}}));
  first.open();
  NativeSocket cut = server_.accept();
  daemon_.process().kill(SIGKILL);
  ASSERT_EQ(daemon_.process().wait(), (Process::Exit{-1, SIGKILL}));
  how_it_ends(cut);

  start_daemon();
  second.open();
  NativeSocket peer = server_.accept();
  peer.write_all("hello");
  peer.shutdown_write();
  EXPECT_EQ(host.wait(), kDone) << host.standard_output() << host.standard_error();
  EXPECT_THAT(contents(path("second")), HasSubstr("success n=5 "));
}

TEST_F(KillTest, ATerminatedDaemonEndsInOrderWithTrafficUnderWay) {
  daemon_.configure("drain: 200ms\n");
  acme();
  start_daemon();
  Process host(guest("semantics", connected(server_, {"fill s 100000000000"})));
  NativeSocket peer = server_.accept();
  ASSERT_THAT(peer.read(1 << 20), SizeIs(1 << 20));
  daemon_.process().kill(SIGTERM);
  EXPECT_EQ(how_it_ends(peer), ECONNRESET);
  EXPECT_EQ(daemon_.process().wait(), kDone) << daemon_.process().standard_error();
  EXPECT_EQ(host.wait(), kDone) << host.standard_error();
  // The stream is cut off, then the session: a write that waits hears of either, one that comes later finds neither.
  EXPECT_THAT(lines_of(host.standard_output()).back(),
              AnyOf(StartsWith("connaborted n="), StartsWith("pipe n="), StartsWith("badf n=")));
}

TEST_F(KillTest, ATerminatedHostEndsItsGuestAndThePeerSeesAnEnd) {
  acme();
  start_daemon();
  Process host(guest("semantics", connected(server_, {"read s 1"})));
  NativeSocket peer = server_.accept();
  wait_until_asleep(host.pid());
  host.kill(SIGTERM);
  EXPECT_EQ(host.wait(), (Process::Exit{128 + SIGTERM, 0})) << host.standard_error();
  EXPECT_EQ(how_it_ends(peer), 0);
}

}  // namespace
}  // namespace wasi_netd::test
