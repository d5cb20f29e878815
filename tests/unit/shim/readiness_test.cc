#include "client-shim/src/readiness.h"

#include <gtest/gtest.h>

namespace wasi_netd::shim {
namespace {

constexpr uint32_t kRead = Readiness::kReadable;
constexpr uint32_t kWrite = Readiness::kWritable;

TEST(Readiness, NothingIsKnownAtFirst) {
  const Readiness readiness;
  EXPECT_TRUE(readiness.unknown(kRead));
  EXPECT_EQ(readiness.holding(kRead | kWrite), 0u);
}

TEST(Readiness, TheNextDatagramsSizeIsKnownWhileReadableHolds) {
  Readiness readiness;
  EXPECT_EQ(readiness.next_size(), 0u);
  readiness.event(kRead, 17);
  EXPECT_EQ(readiness.next_size(), 17u);
  readiness.event(kWrite, 0);
  EXPECT_EQ(readiness.next_size(), 17u);
  readiness.call_started();
  EXPECT_EQ(readiness.next_size(), 0u);
  readiness.poll_answered(kRead, kRead, 4);
  EXPECT_EQ(readiness.next_size(), 4u);
}

TEST(Readiness, APollThatFoundNothingNeedsNoOther) {
  Readiness readiness;
  readiness.poll_answered(kRead, 0);
  EXPECT_FALSE(readiness.unknown(kRead));
  EXPECT_TRUE(readiness.unknown(kWrite));
}

TEST(Readiness, WhatAPollFoundHoldsUntilACallUsesIt) {
  Readiness readiness;
  readiness.poll_answered(kRead, kRead);
  EXPECT_EQ(readiness.holding(kRead), kRead);
  EXPECT_FALSE(readiness.unknown(kRead));
  readiness.call_started();
  EXPECT_EQ(readiness.holding(kRead), 0u);
  EXPECT_TRUE(readiness.unknown(kRead));
}

TEST(Readiness, AnEventDisarmsAndHolds) {
  Readiness readiness;
  readiness.poll_answered(kRead | kWrite, 0);
  readiness.event(kWrite);
  EXPECT_EQ(readiness.holding(kWrite), kWrite);
  EXPECT_TRUE(readiness.unknown(kRead));
}

TEST(Readiness, AgainArms) {
  Readiness readiness;
  readiness.call_started();
  readiness.call_answered_again(kRead);
  EXPECT_FALSE(readiness.unknown(kRead));
  EXPECT_EQ(readiness.holding(kRead), 0u);
}

TEST(Readiness, AnEventThatOvertakesTheAgainWhichArmedItIsKept) {
  Readiness readiness;
  readiness.call_started();
  readiness.event(kRead);
  readiness.call_answered_again(kRead);
  EXPECT_EQ(readiness.holding(kRead), kRead);
}

TEST(Readiness, AnEventThatOvertakesTheAnswerOfAPollIsKept) {
  Readiness readiness;
  readiness.event(kRead);
  readiness.poll_answered(kRead, 0);
  EXPECT_EQ(readiness.holding(kRead), kRead);
}

TEST(Readiness, AnEventThatOvertakesAPollLeavesNothingArmed) {
  Readiness readiness;
  readiness.poll_answered(kRead, 0);
  readiness.poll_started();
  readiness.event(kRead);  // disarms what the Poll for writing arms, in the daemon
  readiness.poll_answered(kWrite, 0);
  EXPECT_TRUE(readiness.unknown(kWrite)) << "no event will come for it";
  readiness.poll_started();
  readiness.poll_answered(kWrite, 0);
  EXPECT_FALSE(readiness.unknown(kWrite));
}

TEST(Readiness, AnEventThatOvertakesAnAgainLeavesNothingArmed) {
  Readiness readiness;
  readiness.poll_answered(kWrite, 0);
  readiness.call_started();
  readiness.event(kWrite);
  readiness.call_answered_again(kRead);
  EXPECT_TRUE(readiness.unknown(kRead));
  EXPECT_EQ(readiness.holding(kWrite), kWrite);
}

TEST(Readiness, WhatIsForgottenIsAskedAgainAndWhatIsArmedStays) {
  Readiness readiness;
  readiness.poll_answered(kRead, kRead);
  readiness.poll_answered(kWrite, 0);
  readiness.forget();
  EXPECT_TRUE(readiness.unknown(kRead));
  EXPECT_FALSE(readiness.unknown(kWrite));
}

TEST(Readiness, AHangupAnswersEveryInterestForEver) {
  Readiness readiness;
  readiness.event(Readiness::kHangup);
  readiness.call_started();
  EXPECT_EQ(readiness.holding(kRead), Readiness::kHangup);
  EXPECT_EQ(readiness.holding(kWrite), Readiness::kHangup);
  EXPECT_FALSE(readiness.unknown(kRead));
}

}  // namespace
}  // namespace wasi_netd::shim
