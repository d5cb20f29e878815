#include "host/signals.h"

#include <future>
#include <pthread.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace wasi_netd::host {
namespace {

bool blocked(int signal) {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return sigismember(&now, signal) == 1;
}

TEST(StopSignals, TheFirstSignalIsTold) {
  std::promise<int> told;
  const StopSignals signals([&](int exit_code) { told.set_value(exit_code); });
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(told.get_future().get(), 128 + SIGTERM);
}

TEST(StopSignals, EndTheProcessAgainOnceNobodyWaitsForThem) {
  {
    const StopSignals signals([](int) {});
    EXPECT_TRUE(blocked(SIGINT));
    EXPECT_TRUE(blocked(SIGTERM));
  }
  EXPECT_FALSE(blocked(SIGINT));
  EXPECT_FALSE(blocked(SIGTERM));
}

}  // namespace
}  // namespace wasi_netd::host
