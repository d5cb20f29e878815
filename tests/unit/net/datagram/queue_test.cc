// What waits within its bound, what is dropped for what, and what is charged meanwhile.
#include "daemon/net/datagram/queue.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace wasi_netd::net {
namespace {

const Endpoint kPeer = policy::UnixEndpoint{};
const uint64_t kEmpty = DatagramQueue::cost(0, kPeer);
const uint64_t kHundred = DatagramQueue::cost(100, kPeer);

std::string hundred(char fill) { return std::string(100, fill); }

// What waits, by first letters, oldest first.
std::string drain(DatagramQueue& queue) {
  std::string out;
  while (!queue.empty()) {
    const Datagram next = queue.pop();
    out += next.data.empty() ? "-" : next.data.substr(0, 1);
  }
  return out;
}

TEST(DatagramQueue, GivesBackWhatCameInWithItsPeerAndItsMark) {
  DatagramQueue queue(4096, nullptr);
  const Endpoint named = policy::UnixEndpoint{"/run/somebody", false};
  EXPECT_EQ(queue.next_size(), 0u);
  EXPECT_TRUE(queue.push("whole", named, false));
  EXPECT_TRUE(queue.push("cut", kPeer, true));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.next_size(), 5u);
  const Datagram first = queue.pop(), second = queue.pop();
  EXPECT_EQ(first.data, "whole");
  EXPECT_EQ(first.peer, named);
  EXPECT_FALSE(first.truncated);
  EXPECT_EQ(second.data, "cut");
  EXPECT_TRUE(second.truncated);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(DatagramQueue, KeepsAndCountsEmptyOnes) {
  DatagramQueue queue(3 * kEmpty, nullptr);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(queue.push("", kPeer, false));
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(queue.dropped(), 2u);
  EXPECT_EQ(queue.next_size(), 0u);
  EXPECT_EQ(drain(queue), "---");
}

TEST(DatagramQueue, CountsWhatADatagramTakesInMemory) {
  EXPECT_GE(kEmpty, sizeof(Datagram));
  EXPECT_GE(kHundred, kEmpty + 100);
  const Endpoint longest = policy::UnixEndpoint{"/" + std::string(106, 'n'), false};
  EXPECT_GE(DatagramQueue::cost(100, longest), kHundred + 107);
}

struct Case {
  const char* what;
  uint64_t limit;
  uint64_t quota;      // room on it
  const char* pushed;  // a letter is a datagram of a hundred bytes, '-' an empty one
  const char* kept;
  uint64_t dropped;
};

TEST(DatagramQueue, DropsTheOldestForWhatFits) {
  const std::vector<Case> cases = {
      {"all fit", 3 * kHundred, 3 * kHundred, "abc", "abc", 0},
      {"the bound takes two", 2 * kHundred, 9 * kHundred, "abcd", "cd", 2},
      {"one byte less than three", 3 * kHundred - 1, 9 * kHundred, "abc", "bc", 1},
      {"a large one makes several empty ones go", 2 * kEmpty + 100, 9 * kHundred, "--a", "a", 2},
      {"what can never fit drops nothing else", kHundred - 1, 9 * kHundred, "-a", "-", 1},
      {"no room at all", 0, 9 * kHundred, "-a", "", 2},
      {"the quota is as a full queue", 9 * kHundred, 2 * kHundred, "abcd", "cd", 2},
      {"a quota without room", 9 * kHundred, 0, "ab", "", 2},
      {"what it has is less than what is needed", 9 * kHundred, kHundred - 1, "-a", "-", 1},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    Quota buffers("buffers", one.quota);
    DatagramQueue queue(one.limit, &buffers);
    for (const char letter : std::string(one.pushed)) {
      queue.push(letter == '-' ? std::string() : hundred(letter), kPeer, false);
      EXPECT_EQ(buffers.used(), queue.bytes());
      EXPECT_LE(queue.bytes(), one.limit);
    }
    EXPECT_EQ(queue.dropped(), one.dropped);
    EXPECT_EQ(drain(queue), one.kept);
    EXPECT_EQ(buffers.used(), 0u);
  }
}

TEST(DatagramQueue, IsHeldBackByOthersOnTheQuota) {
  Quota buffers("buffers", 2 * kHundred);
  DatagramQueue ours(9 * kHundred, &buffers), theirs(9 * kHundred, &buffers);
  ours.push(hundred('a'), kPeer, false);
  theirs.push(hundred('x'), kPeer, false);
  EXPECT_TRUE(ours.push(hundred('b'), kPeer, false)) << "in the place of its own oldest";
  EXPECT_EQ(drain(ours), "b");
  theirs.push(hundred('y'), kPeer, false);
  EXPECT_FALSE(ours.push(hundred('c'), kPeer, false)) << "it has nothing to give up";
  EXPECT_EQ(drain(theirs), "xy") << "another's datagrams are never dropped";
}

TEST(DatagramQueue, SurvivesAQuotaThatWasLowered) {
  Quota buffers("buffers", 3 * kHundred);
  DatagramQueue queue(9 * kHundred, &buffers);
  for (const char letter : {'a', 'b', 'c'}) queue.push(hundred(letter), kPeer, false);
  buffers.set_limit(kHundred);
  EXPECT_TRUE(queue.push(hundred('d'), kPeer, false));
  EXPECT_EQ(drain(queue), "d");
  buffers.set_limit(0);
  EXPECT_FALSE(queue.push("", kPeer, false));
}

TEST(DatagramQueue, GivesItsChargesBackWhenItIsClearedOrGone) {
  Quota buffers("buffers", 9 * kHundred);
  {
    DatagramQueue queue(9 * kHundred, &buffers);
    queue.push(hundred('a'), kPeer, false);
    queue.clear();
    EXPECT_EQ(buffers.used(), 0u);
    EXPECT_EQ(queue.dropped(), 0u);
    queue.push(hundred('b'), kPeer, false);
  }
  EXPECT_EQ(buffers.used(), 0u);
}

TEST(DatagramQueue, MovesToAnotherQuotaWithWhatFindsRoomThere) {
  Quota before("before", 9 * kHundred), after("after", 2 * kHundred);
  DatagramQueue queue(3 * kHundred, &before);
  for (const char letter : {'a', 'b', 'c'}) queue.push(hundred(letter), kPeer, false);
  queue.move_to(9 * kHundred, &after);
  EXPECT_EQ(before.used(), 0u);
  EXPECT_EQ(after.used(), 2 * kHundred);
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_EQ(drain(queue), "ab") << "the first that came in say what a new peer wants";
  EXPECT_EQ(after.used(), 0u);
}

}  // namespace
}  // namespace wasi_netd::net
