// Waiting for many things: POLL rows. (POLL-1 and POLL-2 run in both engines.)
#include "tests/e2e/engines/semantics_test.h"
#include "tests/support/proc.h"

namespace wasi_netd::test {
namespace {

class PollTest : public SemanticsTest {};

TEST_F(PollTest, POLL_1_WhoWaitsIsWokenByEventsAloneAndSoIsTheDaemon) {
  const NativeSocket peer = connect_guest();
  listen_guest();
  Guest reader(socket()), acceptor(socket());
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  ASSERT_THAT(reader.ask("c= open tcp 0.0.0.0:0"), StartsWith("success"));
  ASSERT_THAT(reader.ask("k= connect c " + address_of(listener)), StartsWith("success"));
  ASSERT_THAT(reader.ask("s= create k"), StartsWith("success"));
  ASSERT_THAT(acceptor.ask("l= open tcp 127.0.0.1:0"), StartsWith("success"));
  ASSERT_EQ(acceptor.ask("listen l 0"), "success");
  reader.tell("read s 1");
  acceptor.tell("accept l");
  guest().tell("poll - s:r l:r");
  for (Guest* each : {&reader, &acceptor, &guest()}) ASSERT_TRUE(each->waits());
  Guest clock(socket());
  ASSERT_THAT(clock.ask("list"), StartsWith("success"));

  const pid_t processes[] = {daemon_->process().pid(), reader.process().pid(), acceptor.process().pid(),
                             guest().process().pid()};
  std::vector<size_t> before;
  for (const pid_t each : processes) before.push_back(waits_begun(each));
  EXPECT_EQ(clock.ask("poll 2000"), "success n=1 [1000000:clock success]");
  // The last answers may still have been on their way; who looked again each tenth of a second would come to twenty.
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_LT(waits_begun(processes[i]) - before[i], 10U) << "process " << i;
  }
}

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
