// How TLS connections end: truncation, resets, abort(), finish().
#include <thread>

#include "tests/loop/tls/tls_wire_test.h"

namespace wasi_netd::net {
namespace {

class TlsTruncation : public TlsWireTest {};
INSTANTIATE_TEST_SUITE_P(All, TlsTruncation, kAllTls, name_of_tls_case);

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

TEST_P(TlsTruncation, InTheMiddleOfARecordIsConnreset) {
  if (GetParam().carrier == Carrier::kTls) GTEST_SKIP() << "the outer layer's record is cut instead";
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

class TlsReset : public TlsWireTest {};
INSTANTIATE_TEST_SUITE_P(Tcp, TlsReset, kTcpTls, name_of_tls_case);

TEST_P(TlsReset, IsConnresetToAReaderAndPipeToAWriterForEver) {
  auto reading = start(read_byte(stream_));
  peer_.reset();
  EXPECT_EQ(code_of(finish(reading)), Errno::connreset);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::connreset);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::notconn);
}

TEST_P(TlsReset, LeavesBytesThatArrivedBeforeItReadable) {
  peer_.write_all("before");
  run(stream_->wait_readable());
  peer_.reset();
  auto written = run(write_byte(stream_));
  while (written) written = run(write_byte(stream_));
  EXPECT_EQ(code_of(written), Errno::pipe);
  EXPECT_EQ(run(read(stream_, 6)), "before");
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
}

TEST_P(TlsReset, OurAbortIsOneForThePeer) {
  EXPECT_EQ(code_of(run(write(stream_, "half an up"))), Errno::success);
  EXPECT_EQ(peer_.read(10), "half an up");
  connection_->abort();
  EXPECT_EQ(peer_.read(1), "");
  EXPECT_NE(peer_.why(), "close_notify");
  EXPECT_NE(peer_.why(), "end");
}

class TlsFinish : public TlsWireTest {};
INSTANTIATE_TEST_SUITE_P(All, TlsFinish, kAllTls, name_of_tls_case);

TEST_P(TlsFinish, DeliversALargeUnsentTailAndACloseNotifyToASlowReader) {
  const size_t filled = fill_up(*stream_);
  auto finishing = start(connection_->finish(kLong));
  EXPECT_FALSE(finishing->done());
  EXPECT_EQ(beside([&] {
              const size_t got = peer_.read_to_end().size();
              peer_.close();
              return got;
            }),
            filled);
  finish(finishing);
}

TEST_P(TlsFinish, SendsACloseNotify) {
  EXPECT_EQ(code_of(run(write(stream_, "bye"))), Errno::success);
  auto finishing = start(connection_->finish(kLong));
  EXPECT_EQ(peer_.read_to_end(), "bye");
  EXPECT_EQ(peer_.why(), "close_notify");
  peer_.close();
  finish(finishing);
}

TEST_P(TlsFinish, DoesNotResetAPeerThatSendsBeforeItReads) {
  const size_t filled = fill_up(*stream_);
  auto finishing = start(connection_->finish(kLong));
  const std::string much(8 << 20, 'y');  // more than the kernel's buffers hold
  EXPECT_EQ(beside([&] {
              peer_.write_all(much);
              const size_t got = peer_.read_to_end().size();
              peer_.close();
              return got;
            }),
            filled);
  EXPECT_EQ(peer_.why(), "close_notify");
  finish(finishing);
}

TEST_P(TlsFinish, CancelsWhatIsPendingAtOnce) {
  fill_up(*stream_);
  auto reading = start(read_byte(stream_));
  auto writing = start(write_byte(stream_));
  auto finishing = start(connection_->finish(kLong));
  EXPECT_EQ(code_of(finish(reading)), Errno::canceled);
  EXPECT_EQ(code_of(finish(writing)), Errno::canceled);
  EXPECT_FALSE(finishing->done());
  connection_->abort();
  finish(finishing);
}

TEST_P(TlsFinish, EndsAtOnceWhenThePeerHasEnded) {
  peer_.shutdown_write();
  peer_.close();
  run(connection_->finish(kLong));
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
}

TEST_P(TlsFinish, GivesUpWhenTheLingerHasPassed) {
  fill_up(*stream_);
  run(connection_->finish(milliseconds(20)));
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
}

TEST_P(TlsFinish, TwiceOrAfterAbortDoesNothing) {
  auto first = start(connection_->finish(kLong));
  auto second = start(connection_->finish(kLong));
  EXPECT_FALSE(second->done());
  connection_->abort();
  finish(first);
  finish(second);
  run(connection_->finish(kLong));
}

TEST_P(TlsFinish, HoldsTheConnectionUntilItIsClosed) {
  std::weak_ptr<Connection> object = connection_;
  auto finishing = start(connection_->finish(kLong));
  connection_.reset();
  stream_.reset();
  inner_.reset();
  EXPECT_FALSE(object.expired());
  peer_.close();
  finish(finishing);
  run_ready();
  EXPECT_TRUE(object.expired());
}

}  // namespace
}  // namespace wasi_netd::net
