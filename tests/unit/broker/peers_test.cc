// Whom a datagram control remembers, for how long, and how often it writes a record.
#include "daemon/broker/peers.h"

#include <gtest/gtest.h>

namespace wasi_netd::broker {
namespace {

using std::chrono::seconds;
using Added = Peers::Added;

struct PeersTest : testing::Test {
  static Peers::Time at(int64_t second) { return Peers::Time(seconds(1000 + second)); }
  static std::string peer(size_t i) { return "127.0.0.1:" + std::to_string(i); }
  Quota buffers{"buffers"};
  static constexpr size_t kMost = 100;
  Peers peers{kMost, buffers};
};

TEST_F(PeersTest, APeerIsKnownFromItsFirstDatagramForTwoMinutesAfterTheLast) {
  EXPECT_FALSE(peers.knows("a", at(0)));
  EXPECT_EQ(peers.add("a", "", at(0)), Added::kNew);
  EXPECT_TRUE(peers.knows("a", at(119)));
  EXPECT_FALSE(peers.knows("a", at(120)));
  EXPECT_FALSE(peers.knows("b", at(0)));
  EXPECT_EQ(peers.add("a", "", at(100)), Added::kKnown);
  EXPECT_TRUE(peers.knows("a", at(219)));
  EXPECT_EQ(peers.add("a", "", at(220)), Added::kNew);
}

TEST_F(PeersTest, AnotherNoteIsNew) {
  EXPECT_EQ(peers.add("a", "one.example:53", at(0)), Added::kNew);
  EXPECT_EQ(peers.add("a", "one.example:53", at(1)), Added::kKnown);
  EXPECT_EQ(peers.add("a", "a", at(1)), Added::kNew);
}

TEST_F(PeersTest, TheOldestGoAndTheirChargesWithThem) {
  for (size_t i = 0; i < kMost; ++i) EXPECT_EQ(peers.add(peer(i), "", at(0)), Added::kNew);
  EXPECT_EQ(peers.add(peer(0), "", at(1)), Added::kKnown) << "no longer the oldest";
  EXPECT_EQ(peers.add("one more", "", at(1)), Added::kNew);
  EXPECT_EQ(peers.size(), kMost);
  EXPECT_EQ(buffers.used(), kMost * Peers::kEntry);
  EXPECT_TRUE(peers.knows(peer(0), at(1)));
  EXPECT_FALSE(peers.knows(peer(1), at(1)));
  EXPECT_EQ(peers.add("later", "", at(500)), Added::kNew);
  EXPECT_EQ(peers.size(), 1u) << "the others' time is over";
  EXPECT_EQ(buffers.used(), Peers::kEntry);
}

TEST_F(PeersTest, WithoutRoomAnOlderOneGivesItsPlaceUp) {
  buffers.set_limit(2 * Peers::kEntry + 1);
  EXPECT_EQ(peers.add("a", "", at(0)), Added::kNew);
  EXPECT_EQ(peers.add("b", "", at(0)), Added::kNew);
  EXPECT_EQ(peers.add("c", "", at(0)), Added::kNew);
  EXPECT_FALSE(peers.knows("a", at(0)));
  Quota none("none", 1);
  Peers poor(kMost, none);
  EXPECT_EQ(poor.add("a", "", at(0)), Added::kFull);
}

TEST_F(PeersTest, RecordsComeInABurstThenOneASecondAndTellOfThoseBetween) {
  RecordRate rate;
  for (uint64_t i = 0; i < RecordRate::kBurst; ++i) EXPECT_EQ(rate.take(at(0)), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rate.take(at(0)), std::nullopt);
  EXPECT_EQ(rate.left_out(), 5u);
  EXPECT_EQ(rate.take(at(1)), 5u);
  EXPECT_EQ(rate.take(at(1)), std::nullopt);
  EXPECT_EQ(rate.take(at(3)), 1u);
  EXPECT_EQ(rate.take(at(3)), 0u);
  EXPECT_EQ(rate.take(at(3)), std::nullopt);
  for (uint64_t i = 0; i < RecordRate::kBurst; ++i) EXPECT_NE(rate.take(at(1000)), std::nullopt);
  EXPECT_EQ(rate.take(at(1000)), std::nullopt) << "it saves no more than a burst";
}

}  // namespace
}  // namespace wasi_netd::broker
