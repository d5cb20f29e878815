// A stream's bytes in both modes: one Transfer call, and single Read, Write, Shutdown and Poll calls.
#include <future>
#include <memory>
#include <set>

#include "tests/rpc/broker/client.h"

namespace wasi_netd::test {
namespace {

constexpr size_t kChunk = 64 * 1024;
constexpr uint64_t kRead = uint64_t{1} << 1, kWrite = uint64_t{1} << 6, kPoll = uint64_t{1} << 27;

// How a host moves the bytes of one stream.
class Mode {
 public:
  struct Piece {
    v1::Errno error = v1::SUCCESS;
    std::string data;
    bool end = false;
  };
  virtual ~Mode() = default;
  // Waits for bytes, the end or an error.
  virtual Piece read() = 0;
  // Everything; false when the daemon took no more.
  virtual bool write(const std::string& bytes) = 0;
  // The errno of the first write that fails; for one in a transfer the daemon tells it later.
  virtual v1::Errno write_error() = 0;
  virtual void end_writing() = 0;
  virtual void stop_reading() = 0;
  // Writes this much in one message; how the call ends.
  virtual grpc::Status write_at_once(size_t bytes) = 0;
};

class TransferMode final : public Mode {
 public:
  TransferMode(Host& host, RawSession& session, const std::string& stream)
      : session_(session), stream_(stream), transfer_(host, session.token(), stream) {
    EXPECT_EQ(transfer_.opened(), v1::SUCCESS);
  }
  Piece read() override {
    v1::TransferReply reply;
    if (!transfer_.next(reply)) return {v1::IO, "", false};
    if (reply.has_fin()) return {v1::SUCCESS, "", true};
    if (reply.has_error()) return {reply.error(), "", false};
    EXPECT_TRUE(reply.has_data()) << reply.ShortDebugString();
    return {v1::SUCCESS, reply.data(), false};
  }
  bool write(const std::string& bytes) override {
    for (size_t at = 0; at < bytes.size(); at += kChunk) {
      if (!transfer_.data(bytes.substr(at, kChunk))) return false;
    }
    return true;
  }
  v1::Errno write_error() override {
    EXPECT_TRUE(transfer_.data("x"));
    return session_.write_ended(stream_);
  }
  void end_writing() override { EXPECT_TRUE(transfer_.fin()); }
  void stop_reading() override { EXPECT_TRUE(transfer_.stop_reading()); }
  grpc::Status write_at_once(size_t bytes) override {
    transfer_.data(std::string(bytes, 'x'));
    return bytes > kChunk ? transfer_.finish() : grpc::Status::OK;
  }

 private:
  RawSession& session_;
  const std::string stream_;
  RawTransfer transfer_;
};

class UnaryMode final : public Mode {
 public:
  UnaryMode(RawSession& session, std::string stream) : session_(session), stream_(std::move(stream)) {}
  Piece read() override {
    const v1::ReadReply reply = session_.read(stream_, false, 10 * kChunk);
    return {reply.error(), reply.data(), reply.end()};
  }
  bool write(const std::string& bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const v1::WriteReply reply = session_.write(stream_, bytes.substr(done, kChunk));
      if (reply.error() != v1::SUCCESS || reply.written() == 0) return false;
      done += reply.written();
    }
    return true;
  }
  v1::Errno write_error() override { return session_.write(stream_, "x").error(); }
  void end_writing() override { EXPECT_EQ(session_.shutdown(stream_, false, true), v1::SUCCESS); }
  void stop_reading() override { EXPECT_EQ(session_.shutdown(stream_, true, false), v1::SUCCESS); }
  grpc::Status write_at_once(size_t bytes) override {
    grpc::Status status;
    session_.write(stream_, std::string(bytes, 'x'), false, &status);
    return status;
  }

 private:
  RawSession& session_;
  const std::string stream_;
};

class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.add_tenant("acme",
                       "protocols: {net: {transport: tcp, connect: {allow: [\"127.0.0.1\"]}, open: {allow: "
                       "[\"127.0.0.1\"]}, accept: {allow: [\"127.0.0.1\"]}}}\n");
    daemon_.start();
    host_ = std::make_unique<Host>(daemon_.socket_path("acme"));
    session_ = std::make_unique<RawSession>(*host_);
    control_ = session_->open("net", "0.0.0.0:0");
    NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
    connection_ = session_->connect(control_.handle(), "127.0.0.1:" + std::to_string(listener.local_port()));
    stream_ = session_->stream_create(connection_);
    ASSERT_EQ(stream_.error(), v1::SUCCESS);
    peer_ = listener.accept();
  }
  const std::string& stream() const { return stream_.handle(); }
  // The readiness that the next event tells of the stream.
  uint32_t told() {
    v1::SessionEvent event;
    EXPECT_TRUE(session_->next(event));
    EXPECT_EQ(event.ready().handle(), stream());
    return event.ready().readiness();
  }

  InProcessDaemon daemon_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<RawSession> session_;
  v1::HandleReply control_, connection_, stream_;
  NativeSocket peer_;
};

enum class Kind { kTransfer, kUnary };

class DataModeTest : public StreamTest, public testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    StreamTest::SetUp();
    if (is_unary()) {
      mode_ = std::make_unique<UnaryMode>(*session_, stream());
    } else {
      mode_ = std::make_unique<TransferMode>(*host_, *session_, stream());
    }
  }
  void TearDown() override { mode_.reset(); }
  static bool is_unary() { return GetParam() == Kind::kUnary; }
  // `count` bytes, fewer before the end or an error.
  std::string read(size_t count) {
    std::string all;
    while (all.size() < count) {
      const Mode::Piece piece = mode_->read();
      if (piece.error != v1::SUCCESS || piece.end) break;
      EXPECT_LE(piece.data.size(), kChunk);
      all += piece.data;
    }
    return all;
  }
  std::unique_ptr<Mode> mode_;
};
INSTANTIATE_TEST_SUITE_P(Modes, DataModeTest, testing::Values(Kind::kTransfer, Kind::kUnary), [](const auto& mode) {
  return std::string(mode.param == Kind::kUnary ? "Unary" : "Transfer");
});

TEST_P(DataModeTest, BytesPassUnchangedBothWaysAtOnce) {
  const std::string up = pattern(3 << 20, 1), down = pattern(3 << 20, 2);
  auto peer_reads = std::async(std::launch::async, [&] { return peer_.read(up.size()); });
  auto peer_writes = std::async(std::launch::async, [&] { peer_.write_all(down); });
  auto writes = std::async(std::launch::async, [&] { return mode_->write(up); });
  EXPECT_TRUE(read(down.size()) == down);
  EXPECT_TRUE(writes.get());
  EXPECT_TRUE(peer_reads.get() == up);
  peer_writes.get();
}

TEST_P(DataModeTest, ThePeersEndComesBehindItsBytesAndLeavesOurHalfOpen) {
  const std::string sent = pattern(1 << 20);
  auto peer = std::async(std::launch::async, [&] {
    peer_.write_all(sent);
    peer_.shutdown_write();
  });
  EXPECT_TRUE(read(sent.size()) == sent);
  // In a transfer the end is told once, by single calls as often as it is asked for.
  for (int i = 0; i < (is_unary() ? 3 : 1); ++i) {
    const Mode::Piece end = mode_->read();
    EXPECT_EQ(end.error, v1::SUCCESS);
    EXPECT_TRUE(end.end);
    EXPECT_EQ(end.data, "");
  }
  peer.get();
  EXPECT_TRUE(mode_->write("still here"));
  EXPECT_EQ(peer_.read(10), "still here");
}

TEST_P(DataModeTest, OurEndComesBehindOurBytesAndLeavesThePeersHalfOpen) {
  const std::string sent = pattern(1 << 20);
  auto peer = std::async(std::launch::async, [&] { return peer_.read_to_end(); });
  EXPECT_TRUE(mode_->write(sent));
  mode_->end_writing();
  EXPECT_TRUE(peer.get() == sent);
  peer_.write_all("answer");
  EXPECT_EQ(read(6), "answer");
  peer_.shutdown_write();
  EXPECT_TRUE(mode_->read().end);
}

TEST_P(DataModeTest, AfterOurEndNothingReachesThePeer) {
  EXPECT_TRUE(mode_->write("all"));
  mode_->end_writing();
  if (is_unary()) {
    EXPECT_EQ(mode_->write_error(), v1::PIPE);
    EXPECT_EQ(mode_->write_error(), v1::PIPE);
  } else {
    EXPECT_TRUE(mode_->write("more"));  // the host has ended its half itself, so nobody tells it
  }
  EXPECT_EQ(peer_.read_to_end(), "all");
}

TEST_P(DataModeTest, WhoReadsNoMoreMayStillWrite) {
  mode_->stop_reading();
  EXPECT_TRUE(mode_->write("still out"));
  EXPECT_EQ(peer_.read(9), "still out");
  if (is_unary()) {
    EXPECT_TRUE(mode_->read().end);
  }
}

TEST_P(DataModeTest, AResetIsConnresetToTheReaderAndPipeToTheWriter) {
  peer_.reset();
  for (int i = 0; i < (is_unary() ? 3 : 1); ++i) EXPECT_EQ(mode_->read().error, v1::CONNRESET);
  EXPECT_EQ(mode_->write_error(), v1::PIPE);
  if (is_unary()) {
    EXPECT_EQ(mode_->write_error(), v1::PIPE);
    EXPECT_EQ(session_->shutdown(stream(), false, true), v1::NOTCONN);
  }
}

TEST_P(DataModeTest, AResetDoesNotOvertakeTheBytesBeforeIt) {
  peer_.write_all("before");
  EXPECT_EQ(read(6), "before");
  peer_.reset();
  EXPECT_EQ(mode_->read().error, v1::CONNRESET);
}

TEST_P(DataModeTest, SixtyFourKibibytesPassInOneMessageAndNoByteMore) {
  EXPECT_TRUE(mode_->write_at_once(kChunk).ok());
  EXPECT_EQ(peer_.read(kChunk), std::string(kChunk, 'x'));
  EXPECT_EQ(mode_->write_at_once(kChunk + 1).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  if (is_unary()) {
    EXPECT_TRUE(mode_->write("y"));  // that call is over, the stream is not
    EXPECT_EQ(peer_.read(1), "y");
  } else {
    EXPECT_EQ(peer_.read_error(), ECONNRESET);  // with its transfer
  }
}

TEST_P(DataModeTest, AMessageOverTheServersLimitIsResourceExhausted) {
  EXPECT_EQ(mode_->write_at_once(2 * kChunk).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(StreamTest, AWriteWithoutWaitingTakesWhatFitsThenAgainAndTheEventTellsOfRoom) {
  const std::string chunk(kChunk, 'x');
  size_t taken = 0;
  v1::WriteReply reply;
  while ((reply = session_->write(stream(), chunk, true)).error() == v1::SUCCESS) taken += reply.written();
  EXPECT_EQ(reply.error(), v1::AGAIN);
  EXPECT_GT(taken, 0u);
  auto reading = std::async(std::launch::async, [&] { return peer_.read(taken).size(); });
  EXPECT_EQ(told(), static_cast<uint32_t>(v1::WRITABLE));
  EXPECT_EQ(reading.get(), taken);
  EXPECT_EQ(session_->write(stream(), "tail", true).written(), 4u);
  EXPECT_EQ(peer_.read(4), "tail");
}

TEST_F(StreamTest, AReadWithoutWaitingIsAgainUntilTheEventTellsOfBytesAnEndOrAReset) {
  EXPECT_EQ(session_->read(stream(), true).error(), v1::AGAIN);
  EXPECT_EQ(session_->read(stream(), true).error(), v1::AGAIN);
  peer_.write_all("x");
  EXPECT_EQ(told(), static_cast<uint32_t>(v1::READABLE));
  EXPECT_EQ(session_->read(stream(), true).data(), "x");
  EXPECT_EQ(session_->read(stream(), true).error(), v1::AGAIN);
  peer_.shutdown_write();
  EXPECT_TRUE(told() & v1::READABLE);
  EXPECT_TRUE(session_->read(stream(), true).end());
  EXPECT_TRUE(session_->read(stream(), true).end());
  peer_.reset();
  EXPECT_TRUE(session_->read(stream(), true).end()) << "an end that came first stays one";
}

TEST_F(StreamTest, PollAnswersWhatHoldsAndElseOneEventTells) {
  constexpr uint32_t kBoth = v1::READABLE | v1::WRITABLE;
  const v1::PollReply first = session_->poll(stream(), kBoth);
  EXPECT_EQ(first.error(), v1::SUCCESS);
  EXPECT_EQ(first.readiness(), 0u) << "nobody has looked yet";
  EXPECT_EQ(told(), static_cast<uint32_t>(v1::WRITABLE));
  EXPECT_EQ(session_->poll(stream(), v1::WRITABLE).readiness(), static_cast<uint32_t>(v1::WRITABLE));
  // That event was the one; what did not hold is asked for again.
  EXPECT_EQ(session_->poll(stream(), kBoth).readiness(), static_cast<uint32_t>(v1::WRITABLE));
  peer_.write_all("x");
  EXPECT_EQ(told(), static_cast<uint32_t>(v1::READABLE));
  EXPECT_EQ(session_->poll(stream(), kBoth).readiness(), kBoth);
  EXPECT_EQ(session_->poll(stream(), 0).readiness(), 0u);
}

TEST_F(StreamTest, PollLooksAtTheHandleItsKindAndItsRight) {
  EXPECT_EQ(session_->poll("nothing", v1::READABLE).error(), v1::BADF);
  EXPECT_EQ(session_->poll(session_->protocol("net").handle(), v1::READABLE).error(), v1::NOTCAPABLE);
  ASSERT_EQ(session_->set_rights(stream(), stream_.rights().base() & ~kPoll), v1::SUCCESS);
  EXPECT_EQ(session_->poll(stream(), v1::READABLE).error(), v1::NOTCAPABLE);
}

TEST_F(StreamTest, ShutdownNamesADirectionOfWhatHasOne) {
  EXPECT_EQ(session_->shutdown(stream(), false, false), v1::INVAL);
  EXPECT_EQ(session_->shutdown(control_.handle(), true, true), v1::NOTCAPABLE);
  EXPECT_EQ(session_->shutdown(connection_.handle(), false, true), v1::INVAL) << "a connection has no halves";
  EXPECT_EQ(session_->shutdown("nothing", true, true), v1::BADF);
  EXPECT_EQ(session_->shutdown(stream(), true, true), v1::SUCCESS);
  EXPECT_EQ(peer_.read_to_end(), "");
  EXPECT_TRUE(session_->read(stream()).end());
}

TEST_F(StreamTest, ShuttingAConnectionDownEndsItsStreamNow) {
  EXPECT_EQ(session_->shutdown(connection_.handle(), true, true), v1::SUCCESS);
  // The peer has not agreed yet, so the socket still lives; the stream does not.
  EXPECT_EQ(session_->read(stream()).error(), v1::NOTCONN);
  EXPECT_EQ(session_->write(stream(), "x").error(), v1::PIPE);
  EXPECT_EQ(peer_.read_to_end(), "");
}

TEST_F(StreamTest, ShuttingAConnectionDownEndsTheCallsThatWait) {
  auto reading = std::async(std::launch::async, [&] { return session_->read(stream()).error(); });
  eventually([&] { return daemon_->counts().buffers > 0; });
  EXPECT_EQ(session_->shutdown(connection_.handle(), true, true), v1::SUCCESS);
  EXPECT_EQ(reading.get(), v1::NOTCONN);
}

TEST_F(StreamTest, RestrictGivesASecondWeakerHandleOfTheSameStream) {
  const v1::HandleReply reader = session_->restrict(stream(), kRead | kPoll);
  ASSERT_EQ(reader.error(), v1::SUCCESS);
  EXPECT_NE(reader.handle(), stream());
  EXPECT_EQ(reader.rights().base(), kRead | kPoll);
  EXPECT_EQ(session_->write(reader.handle(), "x").error(), v1::NOTCAPABLE);
  EXPECT_EQ(session_->restrict(reader.handle(), kRead | kWrite).error(), v1::NOTCAPABLE);
  EXPECT_EQ(session_->restrict("nothing", kRead).error(), v1::BADF);
  peer_.write_all("ab");
  EXPECT_EQ(session_->read(reader.handle(), false, 1).data(), "a");
  EXPECT_EQ(session_->read(stream(), false, 1).data(), "b");
  // The first is as it was, and the stream ends with its last handle.
  EXPECT_EQ(session_->write(stream(), "x").written(), 1u);
  EXPECT_EQ(session_->close(stream()), v1::SUCCESS);
  EXPECT_EQ(peer_.read(1), "x");
  peer_.write_all("c");
  EXPECT_EQ(session_->read(reader.handle()).data(), "c");
  EXPECT_EQ(session_->close(reader.handle()), v1::SUCCESS);
  EXPECT_EQ(peer_.read_to_end(), "");
}

TEST_F(StreamTest, AStreamIsInOneModeAtATime) {
  {
    RawTransfer transfer(*host_, session_->token(), stream());
    ASSERT_EQ(transfer.opened(), v1::SUCCESS);
    EXPECT_EQ(session_->read(stream()).error(), v1::BUSY);
    EXPECT_EQ(session_->write(stream(), "x").error(), v1::BUSY);
    EXPECT_EQ(session_->shutdown(stream(), false, true), v1::BUSY);
    EXPECT_EQ(session_->poll(stream(), v1::READABLE).error(), v1::BUSY);
    EXPECT_EQ(session_->read(session_->restrict(stream(), kRead).handle()).error(), v1::BUSY);
    EXPECT_TRUE(transfer.close().ok());
  }
  EXPECT_EQ(session_->read(stream()).error(), v1::BADF) << "the handle was closed with the transfer";
}

TEST_F(StreamTest, AReadThatWaitsHasItsDirectionToItself) {
  auto waiting = std::async(std::launch::async, [&] { return session_->read(stream()); });
  eventually([&] { return daemon_->counts().buffers > 0; });  // it is there: its buffer is charged
  EXPECT_EQ(session_->read(stream()).error(), v1::BUSY);
  RawTransfer transfer(*host_, session_->token(), stream());
  EXPECT_EQ(transfer.opened(), v1::BUSY);
  EXPECT_EQ(session_->write(stream(), "x").written(), 1u) << "the other direction is free";
  peer_.write_all("late");
  EXPECT_EQ(waiting.get().data(), "late");
}

}  // namespace
}  // namespace wasi_netd::test
