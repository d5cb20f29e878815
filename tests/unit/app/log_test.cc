#include "daemon/app/log.h"

#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace wasi_netd {
namespace {

using testing::ExitedWithCode;

// The log is the process's: each test has it in a child, whose stderr the expression is matched with.
TEST(Log, ALineHasTimeLevelAndMessage) {
  EXPECT_EXIT(
      {
        Log log;
        spdlog::info("ready: {} tenants", 2);
        _exit(0);
      },
      ExitedWithCode(0), "^2...-..-..T..:..:..\\....Z info ready: 2 tenants\n$");
}

TEST(Log, TheLevelHidesWhatIsBelow) {
  EXPECT_EXIT(
      {
        Log log;
        log.set_level("warn");
        spdlog::info("hidden");
        spdlog::warn("shown");
        _exit(0);
      },
      ExitedWithCode(0), "^[^\n]* warning shown\n$");
}

TEST(Log, ControlCharactersCannotForgeALine) {
  EXPECT_EXIT(
      {
        Log log;
        spdlog::info("guest {}", "x\n2024-05-01T12:00:00.123Z info forged\x1b[2J\x7f");
        _exit(0);
      },
      ExitedWithCode(0), "^[^\n]*guest x\\\\x0a2024-05-01T12:00:00.123Z info forged\\\\x1b\\[2J\\\\x7f\n$");
}

TEST(Log, TheQueueIsWrittenAtTheEnd) {
  EXPECT_EXIT(
      {
        {
          Log log;
          if (!log.start_queue()) _exit(1);
          for (int i = 0; i < 3; ++i) spdlog::info("queued {}", i);
        }
        spdlog::info("direct");
        _exit(0);
      },
      ExitedWithCode(0), "queued 0\n.*queued 1\n.*queued 2\n.*direct\n$");
}

TEST(Log, AStderrNobodyReadsHoldsUpNobody) {
  EXPECT_EXIT(
      {
        int fds[2];
        if (pipe(fds) != 0) _exit(1);
        const int before = dup(2);
        dup2(fds[1], 2);
        {
          Log log;
          if (!log.start_queue()) _exit(1);
          for (int i = 0; i < 20'000; ++i) spdlog::info("line {} of more than a pipe holds", i);
        }
        dup2(before, 2);
        _exit(0);
      },
      ExitedWithCode(0), "");
}

}  // namespace
}  // namespace wasi_netd
