// How connections end: resets, abort(), finish(). On every transport, in the clear and by TLS.

#include "tests/loop/wire_test.h"

namespace wasi_netd::net {
namespace {

// TCP only: a Unix peer cannot reset, it can only close with bytes unread.
class StreamReset : public WireTest {};
INSTANTIATE_TEST_SUITE_P(Tcp, StreamReset, wires({kTcpWires, kTcpTls}), name_of_case);

TEST_P(StreamReset, IsConnresetToAReaderForEver) {
  auto reading = start(read_byte(stream_));
  peer_.reset();
  EXPECT_EQ(code_of(finish(reading)), Errno::connreset);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::connreset);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
}

TEST_P(StreamReset, IsPipeToAWriterForEverAndStaysConnresetToTheReader) {
  peer_.reset();
  run(stream_->wait_writable());
  auto first = run(write_byte(stream_));
  while (first) first = run(write_byte(stream_));
  EXPECT_EQ(code_of(first), Errno::pipe);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset) << "the kernel would answer 0 now";
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::connreset);
}

TEST_P(StreamReset, IsToldToEverybodyWhoWaits) {
  fill_up(*stream_);
  auto readable = start(stream_->wait_readable());
  auto reading = start(read_byte(stream_));
  auto writing = start(write_byte(stream_));
  auto writable = start(stream_->wait_writable());
  peer_.reset();
  EXPECT_EQ(code_of(finish(reading)), Errno::connreset);
  EXPECT_EQ(code_of(finish(writing)), Errno::pipe);
  EXPECT_EQ(code_of(finish(readable)), Errno::success);
  EXPECT_EQ(code_of(finish(writable)), Errno::success);
}

TEST_P(StreamReset, LeavesBytesThatArrivedBeforeItReadable) {
  peer_.write_all("before");
  run(stream_->wait_readable());
  peer_.reset();
  auto written = run(write_byte(stream_));
  while (written) written = run(write_byte(stream_));
  EXPECT_EQ(run(read(stream_, 6)), "before");
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
}

TEST_P(StreamReset, IsKeptForTheReadAfterReadinessToldOfIt) {
  auto ready = start(stream_->wait_readable());
  peer_.reset();
  EXPECT_EQ(code_of(finish(ready)), Errno::success);
  EXPECT_EQ(code_of(run(stream_->wait_readable())), Errno::success);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::connreset);
  EXPECT_EQ(code_of(read_byte_now(*stream_)), Errno::connreset);
}

TEST_P(StreamReset, ComesFromAPeerThatClosedWithBytesUnread) {
  EXPECT_EQ(code_of(run(write(stream_, "never read"))), Errno::success);
  peer_.socket().wait(POLLIN);
  peer_.close();
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
}

TEST_P(StreamReset, AfterTheOrderlyEndDoesNotTakeTheEndBack) {
  peer_.write_all("all of it");
  peer_.shutdown_write();
  peer_.socket().wait_until_delivered();
  run(stream_->wait_readable());
  peer_.reset();
  auto written = run(write_byte(stream_));
  while (written) written = run(write_byte(stream_));
  EXPECT_EQ(code_of(written), Errno::pipe);
  EXPECT_EQ(run(read(stream_, 9)), "all of it");
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
}

TEST_P(StreamReset, EndsFinishAtOnce) {
  peer_.reset();
  run(connection_->finish(kLong));
}

TEST_P(StreamReset, MakesShutdownFailWithoutHarm) {
  peer_.reset();
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::notconn);
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
}

class UnixEnd : public WireTest {};
INSTANTIATE_TEST_SUITE_P(Unix, UnixEnd, wires({kUnixWires}), name_of_case);

TEST_P(UnixEnd, IsConnresetWhenThePeerClosedWithBytesUnread) {
  EXPECT_EQ(code_of(run(write(stream_, "never read"))), Errno::success);
  peer_.write_all("before");
  peer_.close();
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
  EXPECT_EQ(run(read(stream_, 6)), "before");
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::connreset);
}

TEST_P(UnixEnd, IsOrderlyWhenThePeerClosedWithEverythingRead) {
  peer_.write_all("all");
  peer_.close();
  EXPECT_EQ(code_of(run(write_byte(stream_))), Errno::pipe);
  EXPECT_EQ(run(read(stream_, 3)), "all");
  EXPECT_EQ(*run(read_byte(stream_)), 0U);
}

class Abort : public WireTest {};
INSTANTIATE_TEST_SUITE_P(Tcp, Abort, wires({kTcpWires, kTcpTls}), name_of_case);

TEST_P(Abort, ResetsThePeerInTheMiddleOfAnUpload) {
  EXPECT_EQ(code_of(run(write(stream_, "half an up"))), Errno::success);
  EXPECT_EQ(peer_.read(10), "half an up");
  connection_->abort();
  EXPECT_EQ(peer_.socket().read_error(), ECONNRESET);
}

TEST_P(Abort, ResetsEvenAfterTheWriteHalfWasShutDown) {
  EXPECT_EQ(code_of(stream_->shutdown_write()), Errno::success);
  EXPECT_EQ(peer_.read_to_end(), "");
  EXPECT_EQ(peer_.why(), "end");
  connection_->abort();
  while (peer_.socket().write_error() == 0) {
  }
  EXPECT_NE(peer_.socket().write_error(), 0);
}

// As a daemon that is killed leaves it: the kernel closes the descriptor, and nobody finished the connection.
TEST_P(Abort, IsWhatAConnectionGetsThatIsDroppedUnfinished) {
  EXPECT_EQ(code_of(run(write(stream_, "half an up"))), Errno::success);
  EXPECT_EQ(peer_.read(10), "half an up");
  drop_all();
  EXPECT_EQ(peer_.socket().read_error(), ECONNRESET);
}

class Finish : public WireTest {};
INSTANTIATE_TEST_SUITE_P(AllWires, Finish, every_wire(), name_of_case);

TEST_P(Finish, DeliversALargeUnsentTailToASlowReader) {
  const size_t filled = fill_up(*stream_);
  auto finishing = start(connection_->finish(kLong));
  EXPECT_FALSE(finishing->done());
  EXPECT_EQ(beside([&] {
              const size_t got = peer_.read_to_end().size();
              peer_.close();
              return got;
            }),
            filled);
  EXPECT_EQ(peer_.why(), "end");
  finish(finishing);
}

TEST_P(Finish, EndsTheWriteHalfInOrder) {
  EXPECT_EQ(code_of(run(write(stream_, "bye"))), Errno::success);
  auto finishing = start(connection_->finish(kLong));
  EXPECT_EQ(peer_.read_to_end(), "bye");
  EXPECT_EQ(peer_.why(), "end");
  peer_.close();
  finish(finishing);
}

TEST_P(Finish, DoesNotResetAPeerThatSendsBeforeItReads) {
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
  EXPECT_EQ(peer_.why(), "end");
  finish(finishing);
}

TEST_P(Finish, CancelsWhatIsPendingAtOnce) {
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

TEST_P(Finish, EndsAtOnceWhenThePeerHasEnded) {
  peer_.shutdown_write();
  peer_.close();
  run(connection_->finish(kLong));
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
}

TEST_P(Finish, GivesUpWhenTheLingerHasPassed) {
  run(connection_->finish(milliseconds(20)));
  EXPECT_EQ(peer_.read_to_end(), "");
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
}

TEST_P(Finish, GivesUpWithBytesUnsentWhenTheLingerHasPassed) {
  fill_up(*stream_);
  run(connection_->finish(milliseconds(20)));
  EXPECT_EQ(code_of(run(read_byte(stream_))), Errno::canceled);
}

TEST_P(Finish, WithoutLingerClosesWhatItHasDrained) {
  peer_.write_all("dropped");
  run(stream_->wait_readable());
  EXPECT_EQ(code_of(run(write(stream_, "kept"))), Errno::success);
  run(connection_->finish(milliseconds(0)));
  EXPECT_EQ(peer_.read_to_end(), "kept");
}

TEST_P(Finish, IsCutShortByAbort) {
  auto finishing = start(connection_->finish(kLong));
  EXPECT_FALSE(finishing->done());
  connection_->abort();
  finish(finishing);
}

TEST_P(Finish, TwiceOrAfterAbortDoesNothing) {
  auto first = start(connection_->finish(kLong));
  auto second = start(connection_->finish(kLong));
  connection_->abort();
  finish(first);
  finish(second);
  run(connection_->finish(kLong));
}

TEST_P(Finish, HoldsTheConnectionUntilItIsClosed) {
  std::weak_ptr<Connection> object = connection_;
  auto finishing = start(connection_->finish(kLong));
  drop_all();
  EXPECT_FALSE(object.expired());
  peer_.close();
  finish(finishing);
  run_ready();
  EXPECT_TRUE(object.expired());
}

}  // namespace
}  // namespace wasi_netd::net
