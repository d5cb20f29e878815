// How only TLS connections end: without close_notify.
#include "tests/loop/wire_test.h"

namespace wasi_netd::net {
namespace {

class TlsTruncation : public WireTest {};
INSTANTIATE_TEST_SUITE_P(All, TlsTruncation, tls_wires(), name_of_case);

TEST_P(TlsTruncation, AnEndWithoutCloseNotifyIsConnresetForEverAndNeverAnEnd) {
  peer_.write_all("half an answer");
  peer_.socket().shutdown_write();
  EXPECT_EQ(run(read(stream_, 14)), "half an answer");
  const auto first = run(read_byte(stream_));
  EXPECT_EQ(code_of(first), Errno::connreset);
  EXPECT_NE(first.error().detail.find("close_notify"), std::string::npos) << first.error().detail;
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::connreset);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
  EXPECT_EQ(code_of(run(stream_->wait_readable())), Errno::success);
  EXPECT_EQ(code_of(run(stream_->wait_writable())), Errno::success);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::notconn);
}

TEST_P(TlsTruncation, IsToldToEverybodyWhoWaits) {
  fill_up(*stream_);
  auto readable = start(stream_->wait_readable());
  auto reading = start(read_byte(stream_));
  auto writing = start(write_byte(stream_));
  auto writable = start(stream_->wait_writable());
  peer_.socket().shutdown_write();
  EXPECT_EQ(code_of(finish(reading)), Errno::connreset);
  EXPECT_EQ(code_of(finish(writing)), Errno::pipe);
  EXPECT_EQ(code_of(finish(readable)), Errno::success);
  EXPECT_EQ(code_of(finish(writable)), Errno::success);
  connection_->abort();
}

TEST_P(TlsTruncation, AfterTheCloseNotifyDoesNotTakeTheEndBack) {
  // The peer has read what comes behind a handshake: closing with that unread would be a reset.
  EXPECT_EQ(code_of(run(write(stream_, "x"))), Errno::success);
  EXPECT_EQ(peer_.read(1), "x");
  peer_.write_all("all of it");
  peer_.shutdown_write();
  peer_.close();
  EXPECT_EQ(run(read(stream_, 9)), "all of it");
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
  auto written = run(write_byte(stream_));
  while (written) written = run(write_byte(stream_));
  EXPECT_EQ(code_of(written), Errno::pipe);
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
}

// Where the socket carries the records of the layer in question.
class TlsCutRecord : public WireTest {};
INSTANTIATE_TEST_SUITE_P(Tcp, TlsCutRecord, wires({kTcpTls}), name_of_case);

TEST_P(TlsCutRecord, IsConnreset) {
  peer_.write_all("whole");
  // A record header that promises 256 bytes, and three of them.
  peer_.socket().write_all(
      std::string("\x17\x03\x03\x01\x00"
                  "abc",
                  8));
  peer_.socket().shutdown_write();
  EXPECT_EQ(run(read(stream_, 5)), "whole");
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
}

}  // namespace
}  // namespace wasi_netd::net
