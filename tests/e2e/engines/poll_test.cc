// Waiting for many things: POLL rows. (POLL-1 and POLL-2 run in both engines.)
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class PollTest : public SemanticsTest {};

TEST_F(PollTest, POLL_3_NbytesIsWhatAReadGivesAtOnce) {
  NativeSocket peer = connect_guest();
  peer.write_all("seven77");
  EXPECT_THAT(ask("poll - s:r"), HasSubstr("r success nbytes=7]"));
  EXPECT_EQ(ask("read s 100"), "success n=7 data=seven77");
}

TEST_F(PollTest, POLL_4_WhatCannotBePolledIsAnEventWithItsErrno) {
  NativeSocket peer = connect_guest();
  EXPECT_EQ(ask("poll - 99:r"), "success n=1 [99:r badf nbytes=0]");
  EXPECT_EQ(ask("poll - tcp:w"), "success n=1 [3:w inval nbytes=0]");
  succeed("n= restrict c none none");
  EXPECT_THAT(ask("poll - n:r"), HasSubstr("r notcapable"));
  // Beside it the others are still looked at.
  const std::string both = ask("poll - 99:r s:w");
  EXPECT_THAT(both, StartsWith("success n=2 "));
  EXPECT_THAT(both, HasSubstr("w success"));
}

TEST_F(PollTest, POLL_5_NothingOrTooMuchIsInvalid) {
  NativeSocket peer = connect_guest();
  EXPECT_EQ(ask("poll -"), "inval");
  EXPECT_EQ(ask("polls s 4096"), "success n=4096");
  EXPECT_EQ(ask("polls s 4097"), "inval");
}

}  // namespace
}  // namespace wasi_netd::test
