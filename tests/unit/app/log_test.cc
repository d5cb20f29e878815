#include "daemon/app/log.h"

#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "daemon/app/library_log.h"

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

TEST(Log, WhatALibrarySaysCannotForgeALine) {
  EXPECT_EXIT(
      {
        Log log;
        log_libraries();
        gpr_log(GPR_ERROR, "header %s", "x\n2024-05-01T12:00:00.123Z info forged");
        GOOGLE_LOG(ERROR) << "field y\nforged";
        _exit(0);
      },
      ExitedWithCode(0),
      "^[^\n]* warning grpc log_test.cc:[0-9]+: header x\\\\x0a2024-05-01T12:00:00.123Z info forged\n"
      "[^\n]* warning protobuf log_test.cc:[0-9]+: field y\\\\x0aforged\n$");
}

TEST(Log, WhatALibrarySaysIsBounded) {
  EXPECT_EXIT(
      {
        Log log;
        log_libraries();
        gpr_log(GPR_ERROR, "%s", std::string(100'000, 'x').c_str());
        gpr_log(GPR_INFO, "%s", "nobody wants to know");
        _exit(0);
      },
      ExitedWithCode(0), "^[^\n]* x{512}\n$");
}

TEST(Log, TheAssertionThatEndsTheProcessIsWrittenThroughTheQueue) {
  EXPECT_EXIT(
      {
        Log log;
        if (!log.start_queue()) _exit(1);
        log_libraries();
        for (int i = 0; i < 100; ++i) gpr_log(GPR_ERROR, "%s", "noise");
        GPR_ASSERT(getpid() == 0);
      },
      testing::KilledBySignal(SIGABRT), " critical grpc log_test.cc:[0-9]+: assertion failed: getpid\\(\\) == 0\n$");
}

TEST(LineBudget, LetsTenASecondThroughAndCountsTheRest) {
  LineBudget budget;
  LineBudget::Time now;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(budget.take(now), 0U);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(budget.take(now + std::chrono::milliseconds(999)), std::nullopt);
  now += std::chrono::seconds(1);
  EXPECT_EQ(budget.take(now), 7U);
  EXPECT_EQ(budget.take(now), 0U);
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
