#include "client-shim/src/errors.h"

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

namespace wasi_netd::shim {
namespace {

TEST(Text, Utf8IsTaken) {
  for (const char* text : {"", "example.com:443", "/run/\xC3\xA9t\xC3\xA9.sock", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                           "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF", "\xC2\x80", "\xE0\xA0\x80"}) {
    EXPECT_EQ(check_text(text), err::success) << text;
  }
}

TEST(Text, AnythingElseIsRefused) {
  using namespace std::string_literals;
  const std::string cases[] = {
      "a\0b"s,             // NUL
      "\x80",              // continuation alone
      "\xC0\xAF",          // overlong, two bytes
      "\xC1\xBF",          //
      "\xE0\x9F\xBF",      // overlong, three
      "\xF0\x8F\xBF\xBF",  // overlong, four
      "\xED\xA0\x80",      // surrogate
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF5\x80\x80\x80",  //
      "\xFF",              //
      "\xC3",              // cut short
      "\xE2\x82",          //
      "\xF0\x9F\x98",      //
      "\xE2\x82x",         // continuation missing
      "\xF0\x9F\x98x",     //
      "fine\xFF",          // after good text
  };
  for (const std::string& text : cases) EXPECT_EQ(check_text(text), err::ilseq) << testing::PrintToString(text);
}

TEST(Text, LengthIsBounded) {
  EXPECT_EQ(check_text(std::string(4096, 'x')), err::success);
  EXPECT_EQ(check_text(std::string(4097, 'x')), err::nametoolong);
}

TEST(HostErrno, KnownOnesKeepTheirMeaningAndTheRestIsIo) {
  EXPECT_EQ(errno_from_host(0), err::success);
  EXPECT_EQ(errno_from_host(EPIPE), err::pipe);
  EXPECT_EQ(errno_from_host(EMFILE), err::mfile);
  EXPECT_EQ(errno_from_host(EAGAIN), err::again);
  EXPECT_EQ(errno_from_host(EUCLEAN), err::io);
}

TEST(Rights, NarrowerSetsAreWithin) {
  const Rights all{right::fd_read | right::fd_write, right::fd_read};
  EXPECT_TRUE((Rights{right::fd_read, 0}).within(all));
  EXPECT_TRUE(all.within(all));
  EXPECT_FALSE((Rights{right::sock_shutdown, 0}).within(all));
  EXPECT_FALSE((Rights{0, right::fd_write}).within(all));
}

}  // namespace
}  // namespace wasi_netd::shim
