// Ends that this side makes: CLOSE and SHUT rows.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class ShutdownTest : public SemanticsTest {};

TEST_F(ShutdownTest, CLOSE_1_StreamsOutliveTheConnectionsFd) {
  NativeSocket peer = connect_guest();
  succeed("close k");
  succeed("write s hello");
  EXPECT_EQ(peer.read(5), "hello");
  peer.write_all("back");
  EXPECT_EQ(ask("recv s 4 waitall"), "success n=4 data=back");
  EXPECT_EQ(ask("create k"), "badf");
  EXPECT_EQ(ask("saccept k"), "badf");
}

TEST_F(ShutdownTest, CLOSE_2_TheConnectionEndsWithItsLastStream) {
  NativeSocket peer = connect_guest();
  succeed("write s behind");
  succeed("close s");  // the connection's fd is still open
  EXPECT_EQ(peer.read_to_end(), "behind");

  NativeSocket other = connect_guest();
  succeed("close k");
  succeed("write s all");
  succeed("close s");
  EXPECT_EQ(other.read_to_end(), "all");
}

TEST_F(ShutdownTest, CLOSE_3_ShutdownOfAConnectionEndsItNow) {
  for (const char* how : {"rdwr", "rd", "wr"}) {
    NativeSocket peer = connect_guest();
    succeed("write s sent");
    EXPECT_EQ(peer.read(4), "sent");
    succeed(std::string("shutdown k ") + how);
    EXPECT_EQ(peer.read_to_end(), "");
    // The peer has not closed its end, and nobody waits for that.
    EXPECT_EQ(ask("read s 1"), "notconn") << how;
    EXPECT_EQ(ask("write s x"), "pipe") << how;
    EXPECT_EQ(ask("close s"), "success");
    EXPECT_EQ(ask("close k"), "success");
  }
}

TEST_F(ShutdownTest, CLOSE_4_ClosingAnOpenFdAlwaysSucceeds) {
  NativeSocket peer = connect_guest();
  peer.reset();
  EXPECT_EQ(ask("read s 1"), "connreset");
  EXPECT_EQ(ask("close s"), "success");
  EXPECT_EQ(ask("close k"), "success");
  EXPECT_EQ(ask("close c"), "success");
  EXPECT_EQ(ask("close tcp"), "success");
  EXPECT_EQ(ask("close 0"), "success") << "stdio too";
}

TEST_F(ShutdownTest, SHUT_2_AfterTheEndOfReadingThePeerIsDiscarded) {
  NativeSocket peer = connect_guest();
  peer.write_all("before");
  EXPECT_THAT(ask("poll - s:r"), HasSubstr("nbytes=6"));
  succeed("shutdown s rd");
  EXPECT_EQ(ask("read s 10"), "success n=6 data=before");
  EXPECT_EQ(ask("read s 10"), "success n=0 data=");
  peer.write_all(pattern(20'000'000));  // nobody reads it and it does not block
  EXPECT_EQ(ask("read s 10"), "success n=0 data=");
  succeed("write s on");
  EXPECT_EQ(peer.read(2), "on");
}

}  // namespace
}  // namespace wasi_netd::test
