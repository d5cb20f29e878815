#include "daemon/net/answer_cache.h"

#include <string>

#include <gtest/gtest.h>

namespace wasi_netd::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AnswerCacheTest : public ::testing::Test {
 protected:
  static Answer answer(const char* address, int ttl) { return {{*policy::parse_ip(address)}, seconds(ttl)}; }
  AnswerCache::Time start_{seconds(1000)};
  AnswerCache cache_{3};
};

TEST_F(AnswerCacheTest, KeepsAnAnswerForItsLifetime) {
  cache_.put("a", answer("192.0.2.1", 10), start_);
  EXPECT_TRUE(cache_.get("a", start_ + milliseconds(9999)));
  EXPECT_FALSE(cache_.get("a", start_ + seconds(10)));
  EXPECT_EQ(cache_.size(), 0U);
}

TEST_F(AnswerCacheTest, TellsTheLifetimeThatIsLeftRoundedDown) {
  cache_.put("a", answer("192.0.2.1", 10), start_);
  EXPECT_EQ(cache_.get("a", start_)->ttl, seconds(10));
  EXPECT_EQ(cache_.get("a", start_ + milliseconds(2500))->ttl, seconds(7));
  EXPECT_EQ(cache_.get("a", start_ + milliseconds(9500))->ttl, seconds(0));
}

TEST_F(AnswerCacheTest, KeepsNothingWithoutALifetime) {
  cache_.put("a", answer("192.0.2.1", 0), start_);
  EXPECT_FALSE(cache_.get("a", start_));
  EXPECT_EQ(cache_.size(), 0U);
}

TEST_F(AnswerCacheTest, ReplacesAnAnswerByTheNewer) {
  cache_.put("a", answer("192.0.2.1", 10), start_);
  cache_.put("a", answer("192.0.2.2", 20), start_);
  EXPECT_EQ(policy::to_string(cache_.get("a", start_ + seconds(15))->addresses.at(0)), "192.0.2.2");
  cache_.put("a", answer("192.0.2.3", 0), start_);
  EXPECT_FALSE(cache_.get("a", start_)) << "the newest says that it has no lifetime";
}

TEST_F(AnswerCacheTest, MakesRoomByForgettingTheNameNotAskedForLongest) {
  for (const char* name : {"a", "b", "c"}) cache_.put(name, answer("192.0.2.1", 10), start_);
  EXPECT_TRUE(cache_.get("a", start_));
  cache_.put("d", answer("192.0.2.1", 10), start_);
  EXPECT_EQ(cache_.size(), 3U);
  EXPECT_TRUE(cache_.get("a", start_));
  EXPECT_FALSE(cache_.get("b", start_));
  EXPECT_TRUE(cache_.get("c", start_));
  EXPECT_TRUE(cache_.get("d", start_));
}

}  // namespace
}  // namespace wasi_netd::net
