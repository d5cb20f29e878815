#include "daemon/base/quota.h"

#include <array>
#include <utility>
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

TEST(Quota, GivesAWaiterTheRoomThatSomebodyGaveBackOnce) {
  Quota tenant("tenant", 1);
  Quota session("session", Quota::kUnlimited, &tenant), other("other", Quota::kUnlimited, &tenant);
  auto held = other.charge(1);
  Charge given;
  const auto waiter = session.when_room(1, [&](Charge room) { given = std::move(room); });
  EXPECT_TRUE(waiter.waits());
  EXPECT_EQ(given.amount(), 0u);
  held->release();
  EXPECT_EQ(given.amount(), 1u);
  EXPECT_FALSE(waiter.waits());
  EXPECT_FALSE(other.charge(1)) << "it is the waiter's before anybody else can ask";
  given.release();
  held = other.charge(1);
  held->release();
  EXPECT_EQ(given.amount(), 0u);
}

TEST(Quota, TellsNoMoreWaitersThanItHasRoomForAndTheFirstFirst) {
  Quota quota("things", 3);
  auto held = quota.charge(3);
  std::vector<std::pair<int, Charge>> given;
  std::vector<Quota::Waiter> waiters;
  waiters.reserve(5);
  for (int who = 0; who < 5; ++who) {
    waiters.push_back(quota.when_room(1, [&, who](Charge room) { given.emplace_back(who, std::move(room)); }));
  }
  waiters[1].cancel();
  held->release();
  ASSERT_EQ(given.size(), 3u);
  for (const size_t i : {0, 1, 2}) EXPECT_EQ(given[i].first, (std::array{0, 2, 3})[i]);
  EXPECT_TRUE(waiters[4].waits());
  given[0].second.release();
  EXPECT_EQ(given.back().first, 4);
}

TEST(Quota, LetsAWaiterWhoseOwnLimitIsMetHoldUpNobodyAndKeepItsPlace) {
  Quota tenant("tenant", 2);
  Quota full("full", 1, &tenant), other("other", 2, &tenant);
  auto own = full.charge(1), held = other.charge(1);
  Charge first, second;
  const auto first_waiter = full.when_room(1, [&](Charge room) { first = std::move(room); });
  const auto second_waiter = other.when_room(1, [&](Charge room) { second = std::move(room); });
  held->release();
  EXPECT_EQ(first.amount(), 0u);
  EXPECT_EQ(second.amount(), 1u);
  own->release();
  EXPECT_EQ(first.amount(), 1u);
}

TEST(Quota, ForgetsAWaiterThatIsGone) {
  Quota quota("things", 1);
  auto held = quota.charge(1);
  const auto kept = std::make_shared<int>(0);
  int told = 0;
  for (int i = 0; i < 100; ++i) (void)quota.when_room(1, [kept, &told](Charge) { ++told; });
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
