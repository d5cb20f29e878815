#include "daemon/app/isolation.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace wasi_netd {
namespace {

using testing::ExitedWithCode;

// Each test gives something up for good, so its body runs in a child that exits with 0 when all is as it should be.
#define IN_CHILD(body) \
  EXPECT_EXIT(         \
      {                \
        body;          \
        _exit(0);      \
      },               \
      ExitedWithCode(0), "")

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  _exit(1);
}
#define REQUIRE(condition) require((condition), #condition)

void early(bool debuggable = false) {
  const Status done = isolate_early(debuggable);
  if (!done) require(false, done.error().detail.c_str());
}
void late() {
  const Status done = isolate_late();
  if (!done) require(false, done.error().detail.c_str());
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// A line of /proc/self/status, as a number.
uint64_t status(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":"))
      return std::stoull(line.substr(key.size() + 1), nullptr, key == "NoNewPrivs" ? 10 : 16);
  }
  require(false, key.c_str());
  return 0;
}

constexpr uint64_t kBindService = uint64_t{1} << CAP_NET_BIND_SERVICE;

TEST(IsolationEarly, ClosesInheritedDescriptors) {
  IN_CHILD({
    dup2(2, 57);
    dup2(2, 3);
    early();
    REQUIRE(!is_open(57));
    REQUIRE(!is_open(3));
    REQUIRE(is_open(2));
  });
}

TEST(IsolationEarly, KeepsWhatTheServiceManagerPassedButNotForOthers) {
  IN_CHILD({
    dup2(2, 3);
    dup2(2, 4);
    dup2(2, 5);
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", "2", 1);
    early();
    REQUIRE(is_open(3) && is_open(4));
    REQUIRE(fcntl(3, F_GETFD) == FD_CLOEXEC);
    REQUIRE(!is_open(5));
  });
}

TEST(IsolationEarly, DescriptorsPassedToAnotherProcessAreClosed) {
  IN_CHILD({
    dup2(2, 3);
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    early();
    REQUIRE(!is_open(3));
  });
}

TEST(IsolationEarly, AWrongCountOfPassedDescriptorsIsAnError) {
  for (const char* count : {"x", "-1", "500", "99999999999"}) {
    IN_CHILD({
      setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
      setenv("LISTEN_FDS", count, 1);
      REQUIRE(!isolate_early(false));
    });
  }
}

TEST(IsolationEarly, OpensTheStandardDescriptorsThatAreMissing) {
  IN_CHILD({
    close(0);
    close(1);
    early();
    REQUIRE(is_open(0) && is_open(1) && is_open(2));
  });
}

TEST(IsolationEarly, HidesMemoryFromDebuggersUnlessAsked) {
  IN_CHILD({
    early();
    REQUIRE(prctl(PR_GET_DUMPABLE) == 0);
  });
  IN_CHILD({
    early(true);
    REQUIRE(prctl(PR_GET_DUMPABLE) == 1);
  });
}

TEST(IsolationEarly, RaisesTheDescriptorLimitAndIgnoresSigpipe) {
  IN_CHILD({
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 64;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    early();
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE(limit.rlim_cur == limit.rlim_max);
    REQUIRE(raise(SIGPIPE) == 0);
  });
}

TEST(IsolationEarly, WhatIsMadeIsOurs) {
  IN_CHILD({
    umask(0);
    early();
    REQUIRE(umask(0) == 077);
  });
}

TEST(IsolationLate, LeavesNoCapabilityButBindingLowPorts) {
  IN_CHILD({
    const bool could_bind = (status("CapPrm") & kBindService) != 0;
    early();
    late();
    for (const char* set : {"CapPrm", "CapEff"}) {
      REQUIRE((status(set) & ~kBindService) == 0);
      REQUIRE(((status(set) & kBindService) != 0) == could_bind);
    }
    REQUIRE((status("CapInh") & ~kBindService) == 0);
    REQUIRE(status("CapAmb") == 0);
    REQUIRE(status("NoNewPrivs") == 1);
  });
}

TEST(IsolationLate, ARootDaemonCanGainNothingByRunningAProgram) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  IN_CHILD({
    early();
    late();
    REQUIRE((status("CapBnd") & ~kBindService) == 0);
    // A program of root's would get all capabilities back.
    execl("/bin/sh", "sh", "-c", "grep -q 'CapEff:.*0000000000000[04]00$' /proc/self/status", nullptr);
  });
}

TEST(IsolationLate, RunsWithoutAnyPrivilege) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  IN_CHILD({
    REQUIRE(setgroups(0, nullptr) == 0);
    REQUIRE(setresgid(65534, 65534, 65534) == 0);
    REQUIRE(setresuid(65534, 65534, 65534) == 0);
    early();
    late();
    REQUIRE(status("CapPrm") == 0);
    // Not dumpable, /proc/self belongs to root; sockets by path need it all the same.
    const int fd = open("/tmp", O_PATH | O_DIRECTORY);
    REQUIRE(access(("/proc/self/fd/" + std::to_string(fd) + "/.").c_str(), X_OK) == 0);
  });
}

TEST(IsolationLateDeathTest, ASecondThreadIsABug) {
  EXPECT_DEATH(
      {
        std::thread other([] { pause(); });
        (void)isolate_late();
      },
      "a thread was started before");
}

}  // namespace
}  // namespace wasi_netd
