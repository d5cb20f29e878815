#include "daemon/base/token.h"

#include <unordered_set>

#include <gtest/gtest.h>

namespace wasi_netd {
namespace {

TEST(Token, NeverRepeats) {
  std::unordered_set<Token, TokenHash> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(Token::make()).second);
}

TEST(Token, ParsesWhatItPrints) {
  const Token token = Token::make();
  EXPECT_EQ(Token::parse(token.raw()), token);
}

TEST(Token, RefusesEveryOtherLength) {
  for (size_t length = 0; length < 40; ++length) {
    EXPECT_EQ(Token::parse(std::string(length, 'x')).has_value(), length == 16) << length;
  }
}

TEST(Token, ShowsOnlyItsFirstBytesInALog) {
  Token token;
  token.bytes[0] = 0xab;
  token.bytes[3] = 0x01;
  token.bytes[4] = 0xff;
  EXPECT_EQ(token.label(), "ab000001");
}

}  // namespace
}  // namespace wasi_netd
