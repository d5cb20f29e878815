#include "engines/text.h"

#include <gtest/gtest.h>

namespace wasi_netd::engines {
namespace {

TEST(OneLine, RunsOfControlCharactersAreOneSpace) {
  EXPECT_EQ(one_line(" a\r\n\tb\x1b[31mc\x7f\xC2\x9B"
                     "d\n"),
            "a b [31mc d")
      << "C0, DEL and C1";
}

TEST(OneLine, IsCutAtTheEndOfACharacter) {
  std::string text = "a";
  for (int i = 0; i < 200; ++i) text += "\xC3\xA9";
  std::string expected = "a";
  for (int i = 0; i < 149; ++i) expected += "\xC3\xA9";
  EXPECT_EQ(one_line(text), expected + "...");
  EXPECT_EQ(one_line(std::string(300, 'x')), std::string(300, 'x'));
  EXPECT_EQ(one_line(std::string(301, 'x')), std::string(300, 'x') + "...");
}

TEST(OneLine, WhatIsNotUtf8IsReplacedByteByByte) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(one_line("\xC3"), bad);
  EXPECT_EQ(one_line("\xC0\xAF"), bad + bad) << "overlong";
  EXPECT_EQ(one_line("\xED\xA0\x80"), bad + bad + bad) << "a surrogate";
  EXPECT_EQ(one_line("\xF4\x90\x80\x80"), bad + bad + bad + bad) << "above U+10FFFF";
  EXPECT_EQ(one_line("\xE2\x82"
                     "x"),
            bad + bad + "x")
      << "cut short";
  EXPECT_EQ(one_line("\xE2\x82\xAC \xF0\x9F\x98\x80"), "\xE2\x82\xAC \xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace wasi_netd::engines
