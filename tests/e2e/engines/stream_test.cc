// Bytes and how they end: WRITE, READ, RESET and PIPE rows.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class StreamTest : public SemanticsTest {
 protected:
  // What `fill` writes.
  static std::string filling(size_t size) {
    std::string out(size, '\0');
    for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i % 251);
    return out;
  }
};

TEST_F(StreamTest, WRITE_1_BytesWrittenBeforeTheCloseArrive) {
  NativeSocket peer = connect_guest();
  guest().tell("fill s 1000000");
  guest().tell("close s");
  guest().tell("close k");
  EXPECT_TRUE(peer.read_to_end() == filling(1'000'000));
}

TEST_F(StreamTest, WRITE_2_ABlockingWriteTakesEverything) {
  NativeSocket peer = connect_guest();
  guest().tell("fill s 20000000");
  EXPECT_TRUE(peer.read(20'000'000) == filling(20'000'000));
  EXPECT_THAT(guest().answer(), StartsWith("success n=20000000 "));
}

TEST_F(StreamTest, WRITE_2_ANonBlockingOneTakesWhatFits) {
  NativeSocket peer = connect_guest("4");
  const std::string full = ask("fill s 1000000000");
  EXPECT_EQ(errno_of(full), "again");
  const size_t written = std::stoul("0" + value_of(full, "n"));
  EXPECT_GT(written, 0U);
  EXPECT_TRUE(peer.read(written) == filling(written));
  EXPECT_THAT(ask("poll - s:w"), HasSubstr("w success"));
  EXPECT_EQ(ask("write s more"), "success n=4");
  EXPECT_EQ(peer.read(4), "more");
}

TEST_F(StreamTest, READ_1_TheEndIsReadAgainAndAgain) {
  NativeSocket peer = connect_guest();
  peer.write_all("last");
  peer.close();
  EXPECT_EQ(ask("recv s 4 waitall"), "success n=4 data=last");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("read s 1"), "success n=0 data=");
}

TEST_F(StreamTest, RESET_1_AResetIsNeverACleanEnd) {
  NativeSocket peer = connect_guest();
  guest().tell("read s 1");
  ASSERT_TRUE(guest().waits());
  peer.reset();
  EXPECT_EQ(guest().answer(), "connreset");

  NativeSocket late = connect_guest();
  late.reset();
  EXPECT_EQ(ask("read s 1"), "connreset");
}

TEST_F(StreamTest, PIPE_1_WritingAfterTheEndOfWriting) {
  NativeSocket peer = connect_guest();
  succeed("shutdown s wr");
  EXPECT_EQ(ask("write s x"), "pipe");
  EXPECT_EQ(ask("send s x"), "pipe");

  NativeSocket gone = connect_guest();
  gone.reset();
  EXPECT_EQ(ask("read s 1"), "connreset");
  EXPECT_EQ(ask("write s x"), "pipe");
}

}  // namespace
}  // namespace wasi_netd::test
