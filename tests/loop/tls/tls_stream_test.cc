// What only a TLS stream has: records that several wait for, and an end without close_notify.
#include "tests/loop/wire_test.h"

namespace wasi_netd::net {
namespace {

class TlsStreams : public WireTest {};
INSTANTIATE_TEST_SUITE_P(All, TlsStreams, tls_wires(), name_of_case);

TEST_P(TlsStreams, TellEverybodyOfARecordThatOneOfThemTookFromTheSocket) {
  auto first = start(stream_->wait_readable());
  auto second = start(stream_->wait_readable());
  peer_.write_all("abc");
  while (!read_byte_now(*stream_)) {
  }
  EXPECT_EQ(code_of(finish(first)), Errno::success);
  EXPECT_EQ(code_of(finish(second)), Errno::success);
  EXPECT_EQ(run(read(stream_, 2)), "bc");
}

TEST_P(TlsStreams, EndWithTheirLastShareWithoutCloseNotify) {
  (void)stream_->write_now(asio::buffer("bye", 3));
  drop_all();
  EXPECT_EQ(peer_.read_to_end(), "bye");
  EXPECT_NE(peer_.why(), "end");
}

TEST_P(TlsStreams, EndWithTheirLastShareWithoutCloseNotifyWhileBytesWaitToBeSent) {
  fill_up(*stream_);
  drop_all();
  EXPECT_GT(beside([&] { return peer_.read_to_end().size(); }), 0U);
  EXPECT_NE(peer_.why(), "end");
}

}  // namespace
}  // namespace wasi_netd::net
