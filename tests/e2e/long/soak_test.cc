// Two minutes of random work: guests of two tenants in both engines connect, serve, transfer, half-close, are reset,
// trap, and their host is killed. Afterwards the daemon has what it had at the start.
//
// The seed is printed; WASI_NETD_SOAK_SEED=N repeats a run's choices.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>

#include "tests/e2e/long/peers.h"
#include "tests/support/daemon_process.h"
#include "tests/support/proc.h"
#include "wasi_netd/client.hpp"

namespace wasi_netd::test {
namespace {

using testing::StartsWith;

constexpr int kRounds = 250, kWarmUp = 10, kFewest = 20;
constexpr std::chrono::seconds kTime{120};
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSessions = 16, kHandles = 128, kConnections = 32;
constexpr const char* kPolicy = R"(
protocols:
  net:
    transport: tcp
    connect: {allow: ["127.0.0.1:1-65535"]}
    open: {allow: ["127.0.0.1:0"]}
    accept: {allow: ["127.0.0.1"]}
limits: {sessions: 16, handles: 128, connections: 32, buffers: 5MiB}
)";
const std::vector<std::string> kTenants = {"acme", "other"};

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Looks until it holds: for what another process does.
template <class Condition>
bool comes_to_hold(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + Process::kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

struct Job {
  std::string tenant, engine, output;
  std::vector<std::string> commands;
  enum class Kind { kEcho, kOther, kServes, kEndless } kind = Kind::kOther;
};

class SoakTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("WASI_NETD_SOAK_SEED");
    const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    std::cout << "WASI_NETD_SOAK_SEED=" << seed << std::endl;
    random_.seed(seed);
    for (const std::string& tenant : kTenants) daemon_.add_tenant(tenant, kPolicy);
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  }

  size_t pick(size_t from, size_t to) { return std::uniform_int_distribution<size_t>(from, to)(random_); }
  std::string file(const std::string& name) const { return daemon_.directory() + "/" + name; }

  Job make_job(size_t index, bool endless) {
    Job job;
    job.tenant = kTenants[pick(0, 1)];
    job.engine = pick(0, 2) == 0 ? "wabt" : "wasmtime";
    job.output = file("out-" + std::to_string(index));
    const size_t most = job.engine == "wabt" ? 20'000 : 400'000;  // wabt interprets
    const std::string fill = "fill s " + std::to_string(endless ? size_t{1} << 40 : pick(1, most));
    const auto dial = [&](const Peer& peer, std::vector<std::string> more) {
      job.commands = {"c= open net 0.0.0.0:0", "k= connect c " + peer.address(), "s= create k"};
      job.commands.insert(job.commands.end(), more.begin(), more.end());
    };
    if (endless) {
      job.kind = Job::Kind::kEndless;
      dial(takes_, {fill});
      return job;
    }
    switch (pick(0, 5)) {
      case 0:
        job.kind = Job::Kind::kEcho;
        dial(echoes_, {fill, "shutdown s wr", "readall s", "close s", "close k"});
        break;
      case 1:
        dial(resets_, {fill, "readall s", "write s x", "close s"});
        break;
      case 2:
        dial(ends_, {"readall s", "read s 1", fill, "shutdown s wr"});
        break;
      case 3:
        dial(takes_, {fill, pick(0, 1) == 0 ? "trap" : "exit 3"});
        break;
      case 4:
        dial(takes_, {fill, "shutdown s rd", "poll - s:w", "shutdown k rdwr"});
        break;
      default:
        job.kind = Job::Kind::kServes;
        job.commands = {"c= open net 127.0.0.1:0",
                        "listen c",
                        "local c",
                        "k= accept c",
                        "close c",
                        "s= saccept k",
                        "readall s",
                        "write s done",
                        "close s"};
    }
    return job;
  }
  Process::Start host(const std::vector<Job>& jobs) {
    std::ofstream out(file("guests.yaml"));
    out << "guests:\n";
    for (const Job& job : jobs) {
      std::filesystem::remove(job.output);
      out << "  - socket: " << daemon_.socket_path(job.tenant) << "\n    wasm: " << WASI_NETD_GUEST_DIR
          << "/semantics.wasm\n    engine: " << job.engine << "\n    stdout: " << job.output << "\n    args: [";
      for (const std::string& command : job.commands) out << "'" << command << "', ";
      out << "]\n";
    }
    Process::Start start;
    start.arguments = {WASI_NET_RUN_PROGRAM, "--manifest", file("guests.yaml")};
    return start;
  }
  // A client of a guest that listens.
  void be_served(const Job& job) {
    std::string place;
    ASSERT_TRUE(comes_to_hold([&] {
      const auto lines = lines_of(job.output);
      if (lines.size() < 3 || !lines[2].starts_with("success text=127.0.0.1:")) return false;
      place = lines[2];
      return true;
    }));
    const auto port = static_cast<uint16_t>(std::stoul(place.substr(place.rfind(':') + 1)));
    NativeSocket client = native_connect(native_ip("127.0.0.1", port));
    client.write_all(pattern(pick(0, 50'000)));
    client.shutdown_write();
    EXPECT_EQ(client.read_to_end(), "done");
  }
  // gRPC makes a few for itself when the first host comes.
  void expect_descriptors(size_t before) {
    constexpr size_t kOfGrpc = 4;
    EXPECT_TRUE(comes_to_hold([&] { return open_descriptors(daemon_pid()) <= before + kOfGrpc; }))
        << open_descriptors(daemon_pid()) << " descriptors, before " << before;
  }
  void round();
  void check_quotas(const std::string& tenant);

  pid_t daemon_pid() { return daemon_.process().pid(); }

  std::mt19937_64 random_;
  Peer echoes_{Peer::Manner::kEcho}, resets_{Peer::Manner::kReset}, ends_{Peer::Manner::kEndsAtOnce},
      takes_{Peer::Manner::kTakesForEver};
  DaemonProcess daemon_;
};

void SoakTest::round() {
  const bool killed = pick(0, 4) == 0;
  std::vector<Job> jobs;
  for (size_t i = pick(1, 4); i > 0; --i) jobs.push_back(make_job(i, killed));
  const uint64_t taken = takes_.bytes_taken();
  Process process(host(jobs));
  if (killed) {
    const uint64_t enough = taken + pick(0, 200'000);
    EXPECT_TRUE(comes_to_hold([&] { return takes_.bytes_taken() > enough; }));
    process.kill(SIGKILL);
    EXPECT_EQ(process.wait(), (Process::Exit{-1, SIGKILL}));
    return;
  }
  for (const Job& job : jobs) {
    if (job.kind == Job::Kind::kServes) be_served(job);
  }
  EXPECT_TRUE(process.wait()) << "it hangs: " << process.standard_output() << process.standard_error();
  for (const Job& job : jobs) {
    const auto lines = lines_of(job.output);
    EXPECT_GE(lines.size(), 4U) << process.standard_output() << process.standard_error();
    if (job.kind == Job::Kind::kEcho && lines.size() == job.commands.size()) {
      EXPECT_THAT(lines[3], StartsWith("success n="));
      EXPECT_EQ(lines[5], lines[3]) << "what came back has another length or hash";
    } else if (job.kind == Job::Kind::kEcho || job.kind == Job::Kind::kServes) {
      EXPECT_THAT(lines, testing::SizeIs(job.commands.size()));
      EXPECT_THAT(lines, testing::Each(StartsWith("success")));
    }
  }
}

// All that the policy gives can be had at once, so nothing of it is lost.
void SoakTest::check_quotas(const std::string& tenant_name) {
  const client::Tenant tenant(daemon_.socket_path(tenant_name));
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  const std::string address = "127.0.0.1:" + std::to_string(listener.local_port());
  ASSERT_TRUE(comes_to_hold([&] {
    std::vector<client::Guest> guests;
    try {
      for (size_t i = 0; i < kSessions; ++i) guests.emplace_back(tenant);
    } catch (const std::system_error&) {
      return false;
    }
    return true;
  })) << "sessions of "
      << tenant_name;

  client::Guest guest(tenant);
  const client::Fd control = guest.open(guest.protocol("net"), "0.0.0.0:0");
  std::vector<client::Fd> fds;
  std::vector<NativeSocket> peers;
  std::error_code error;
  // A connection that a killed host left is counted until its socket is closed.
  ASSERT_TRUE(comes_to_hold([&] {
    client::Fd connection = guest.connect(control, address, error);
    if (error) return false;
    fds.push_back(std::move(connection));
    peers.push_back(listener.accept());
    return fds.size() == kConnections;
  })) << fds.size()
      << " connections of " << tenant_name << ", then " << error.message();
  (void)guest.connect(control, address, error);
  EXPECT_EQ(error.value(), WASI_NETD_ERRNO_nfile);
  for (size_t i = 0; i < kConnections; ++i) {
    client::Fd stream = fds[i].stream();
    peers[i].write_all("x");
    EXPECT_EQ(stream.read(size_t{1}), "x");  // its buffers
    fds.push_back(std::move(stream));
  }
  while (fds.size() < kHandles - 2) {  // the protocol and the control are two more
    fds.push_back(guest.open(guest.protocol("net"), "0.0.0.0:0", error));
    ASSERT_FALSE(error) << fds.size() << " handles of " << tenant_name << ", then " << error.message();
  }
  (void)guest.open(guest.protocol("net"), "0.0.0.0:0", error);
  EXPECT_EQ(error.value(), WASI_NETD_ERRNO_mfile);
}

TEST_F(SoakTest, NothingOfManyRandomGuestsStaysInTheDaemon) {
  const size_t descriptors_before = open_descriptors(daemon_pid());
  size_t resident_before = 0;
  const auto deadline = std::chrono::steady_clock::now() + kTime;
  int rounds = 0;
  for (; rounds < kRounds && std::chrono::steady_clock::now() < deadline && !HasFailure(); ++rounds) {
    SCOPED_TRACE("round " + std::to_string(rounds));
    round();
    if (rounds == kWarmUp) resident_before = resident_bytes(daemon_pid());
  }
  EXPECT_GE(rounds, kFewest) << "too few rounds in the time to say anything";
  expect_descriptors(descriptors_before);
  const size_t resident_after = resident_bytes(daemon_pid());
  std::cout << rounds << " rounds; the daemon had " << resident_before / kMiB << " MiB after the first " << kWarmUp
            << ", now " << resident_after / kMiB << " MiB" << std::endl;
  if (kMemoryTells) {
    EXPECT_LE(resident_after, resident_before + 16 * kMiB);
  }
  for (const std::string& tenant : kTenants) check_quotas(tenant);
  expect_descriptors(descriptors_before);
  daemon_.process().kill(SIGTERM);
  EXPECT_EQ(daemon_.process().wait(), (Process::Exit{0, 0})) << daemon_.process().standard_error();
}

}  // namespace
}  // namespace wasi_netd::test
