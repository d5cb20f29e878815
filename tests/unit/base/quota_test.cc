#include "daemon/base/quota.h"

#include <vector>

#include <gtest/gtest.h>

namespace wasi_netd {
namespace {

TEST(Quota, GivesUpToItsLimitAndNoMore) {
  Quota quota("things", 3);
  std::vector<Charge> held;
  for (int i = 0; i < 3; ++i) {
    auto charge = quota.charge(1);
    ASSERT_TRUE(charge);
    held.push_back(std::move(*charge));
  }
  EXPECT_FALSE(quota.charge(1));
  EXPECT_EQ(quota.used(), 3u);
  held.pop_back();
  EXPECT_TRUE(quota.charge(1));
}

TEST(Quota, ChargesTheParentToo) {
  Quota tenant("tenant", 2);
  Quota one("one", 2, &tenant), two("two", 2, &tenant);
  auto first = one.charge(2);
  ASSERT_TRUE(first);
  EXPECT_FALSE(two.charge(1)) << "the tenant has no room";
  EXPECT_EQ(two.used(), 0u) << "a refused charge leaves nothing behind";
  first->release();
  EXPECT_EQ(tenant.used(), 0u);
  EXPECT_TRUE(two.charge(1));
}

TEST(Quota, RefusesAnAmountThatWouldOverflow) {
  Quota quota("bytes", Quota::kUnlimited);
  auto all = quota.charge(Quota::kUnlimited);
  ASSERT_TRUE(all);
  EXPECT_FALSE(quota.charge(1));
}

TEST(Quota, StopsGrowthButKeepsWhatIsChargedWhenLowered) {
  Quota quota("things", 5);
  auto charge = quota.charge(4);
  quota.set_limit(2);
  EXPECT_EQ(quota.used(), 4u);
  EXPECT_FALSE(quota.charge(1));
  charge->release();
  EXPECT_TRUE(quota.charge(2));
}

TEST(Quota, TellsWaitersOnceForEachRelease) {
  Quota tenant("tenant", 1);
  Quota session("session", Quota::kUnlimited, &tenant), other("other", Quota::kUnlimited, &tenant);
  auto held = other.charge(1);
  int told = 0;
  const auto waiter = session.when_released([&] { ++told; });
  EXPECT_TRUE(waiter.waits());
  EXPECT_EQ(told, 0);
  held->release();
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(waiter.waits());
  held = other.charge(1);
  held->release();
  EXPECT_EQ(told, 1) << "a waiter runs once";
}

TEST(Quota, LetsAWaiterWaitAgain) {
  Quota quota("things", 1);
  auto held = quota.charge(1);
  int told = 0;
  Quota::Waiter waiter;
  std::function<void()> again = [&] {
    if (++told < 3) waiter = quota.when_released(again);
  };
  waiter = quota.when_released(again);
  held->release();
  EXPECT_EQ(told, 1) << "waiting again waits for the next release";
}

TEST(Quota, ForgetsAWaiterThatIsGone) {
  Quota quota("things", 1);
  auto held = quota.charge(1);
  const auto kept = std::make_shared<int>(0);
  int told = 0;
  for (int i = 0; i < 100; ++i) (void)quota.when_released([kept, &told] { ++told; });
  EXPECT_EQ(kept.use_count(), 1) << "what a waiter holds goes with it";
  held->release();
  EXPECT_EQ(told, 0);
}

TEST(Quota, MovesAChargeWithoutCountingTwice) {
  Quota quota("things", 2);
  Charge first = std::move(*quota.charge(1));
  Charge second = std::move(*quota.charge(1));
  first = std::move(second);
  EXPECT_EQ(quota.used(), 1u);
  EXPECT_EQ(first.amount(), 1u);
  first.release();
  EXPECT_EQ(quota.used(), 0u);
}

TEST(QuotaDeathTest, AbortsWhenItDiesWithSomethingCharged) {
  EXPECT_DEATH(
      {
        auto quota = std::make_unique<Quota>("things", 1);
        auto held = quota->charge(1);
        quota.reset();
      },
      "things quota not given back");
}

}  // namespace
}  // namespace wasi_netd
