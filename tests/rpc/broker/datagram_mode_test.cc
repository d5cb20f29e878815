// A stream of datagrams in both modes: one Transfer call, and single Read and Write calls.
#include <deque>

#include "tests/rpc/broker/datagram_test.h"

namespace wasi_netd::test {
namespace {

constexpr size_t kLargest = 65'507;

class Mode {
 public:
  struct Got {
    v1::Errno error = v1::SUCCESS;
    std::string data;
    bool truncated = false;
    bool operator==(const Got&) const = default;
  };
  virtual ~Mode() = default;
  virtual Got read() = 0;
  virtual bool write(const std::vector<std::string>& datagrams) = 0;
  // Sends to a peer that is not there until its answer is told.
  virtual v1::Errno error_of_sending() = 0;
};

class TransferMode final : public Mode {
 public:
  TransferMode(Host& host, RawSession& session, const std::string& stream)
      : session_(session), transfer_(host, session.token(), stream) {
    EXPECT_EQ(transfer_.opened(), v1::SUCCESS);
  }
  Got read() override {
    while (got_.empty()) {
      v1::TransferReply reply;
      if (!transfer_.next(reply)) return {v1::IO, "", false};
      EXPECT_TRUE(reply.has_datagrams()) << reply.ShortDebugString();
      EXPECT_GT(reply.datagrams().data_size(), 0);
      EXPECT_LE(reply.datagrams().data_size(), 128);
      for (const std::string& one : reply.datagrams().data()) got_.push_back({v1::SUCCESS, one, false});
      if (!got_.empty()) got_.back().truncated = reply.datagrams().truncated();
    }
    Got first = got_.front();
    got_.pop_front();
    return first;
  }
  bool write(const std::vector<std::string>& datagrams) override { return transfer_.datagrams(datagrams); }
  v1::Errno error_of_sending() override {
    write({"x"});
    return told();
  }
  // The next passing error, which comes by the session.
  v1::Errno told() {
    v1::SessionEvent event;
    EXPECT_TRUE(session_.next(event));
    return event.passing_error().error();
  }

 private:
  RawSession& session_;
  RawTransfer transfer_;
  std::deque<Got> got_;
};

class UnaryMode final : public Mode {
 public:
  UnaryMode(RawSession& session, std::string stream) : session_(session), stream_(std::move(stream)) {}
  Got read() override {
    const v1::ReadReply reply = session_.read(stream_);
    EXPECT_FALSE(reply.end());
    return {reply.error(), reply.data(), reply.truncated()};
  }
  bool write(const std::vector<std::string>& datagrams) override {
    for (const std::string& one : datagrams) {
      const v1::WriteReply reply = session_.write(stream_, one);
      if (reply.error() != v1::SUCCESS || reply.written() != one.size()) return false;
    }
    return true;
  }
  v1::Errno error_of_sending() override {
    v1::Errno error = v1::SUCCESS;
    while (error == v1::SUCCESS) error = session_.write(stream_, "x").error();
    return error;
  }

 private:
  RawSession& session_;
  const std::string stream_;
};

enum class Kind { kTransfer, kUnary };

class DatagramModeTest : public DatagramTest, public testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    DatagramTest::SetUp();
    stream_ = connect(address_of(peer_));
    use(stream_);
    ASSERT_TRUE(mode_->write({"hello"}));
    EXPECT_EQ(peer_.receive(&guest_), "hello");
  }
  void TearDown() override { mode_.reset(); }
  void use(const std::string& stream) {
    if (GetParam() == Kind::kUnary) {
      mode_ = std::make_unique<UnaryMode>(*session_, stream);
    } else {
      mode_ = std::make_unique<TransferMode>(*host_, *session_, stream);
    }
  }
  NativeSocket peer_ = peer();
  NativeAddress guest_;
  std::string stream_;
  std::unique_ptr<Mode> mode_;
};
INSTANTIATE_TEST_SUITE_P(Modes, DatagramModeTest, testing::Values(Kind::kTransfer, Kind::kUnary), [](const auto& mode) {
  return std::string(mode.param == Kind::kUnary ? "Unary" : "Transfer");
});

TEST_P(DatagramModeTest, DGRAM_2_BoundariesAreKeptBothWaysAndEmptyOnesToo) {
  const std::vector<std::string> all = {"one", "", pattern(kLargest), "", "x", pattern(1400, 7)};
  ASSERT_TRUE(mode_->write({all[0], all[1]}));
  ASSERT_TRUE(mode_->write({all[2]}));
  ASSERT_TRUE(mode_->write({all[3], all[4], all[5]}));
  for (const std::string& one : all) EXPECT_TRUE(peer_.receive() == one) << one.size();
  for (const std::string& one : all) {
    peer_.send_to(one, guest_);
    EXPECT_EQ(mode_->read(), (Mode::Got{v1::SUCCESS, one, false})) << one.size();
  }
}

TEST_P(DatagramModeTest, ABurstArrivesWholeAndInOrder) {
  constexpr int kCount = 100;
  for (int i = 0; i < kCount; ++i) peer_.send_to("datagram " + std::to_string(i), guest_);
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(mode_->read().data, "datagram " + std::to_string(i));
}

TEST_P(DatagramModeTest, OnlyThePeerIsHeard) {
  NativeSocket stranger = peer();
  stranger.send_to("not for you", guest_);
  peer_.send_to("for you", guest_);
  EXPECT_EQ(mode_->read().data, "for you");
}

TEST_P(DatagramModeTest, DGRAM_4_AnIcmpErrorIsToldAndTheStreamGoesOn) {
  const NativeAddress there = native_ip("127.0.0.1", peer_.local_port());
  peer_.close();
  EXPECT_EQ(mode_->error_of_sending(), v1::CONNREFUSED);
  peer_ = native_bind(there, SOCK_DGRAM);
  ASSERT_TRUE(mode_->write({"again"}));
  while (peer_.receive() != "again") {
  }
  peer_.send_to("yes", guest_);
  Mode::Got got;
  while ((got = mode_->read()).error == v1::CONNREFUSED) {
  }
  EXPECT_EQ(got.data, "yes");
}

TEST_P(DatagramModeTest, DGRAM_3_TooLongIsMsgsizeAndTheStreamGoesOn) {
  const std::string too_long(kLargest + 1, 'x');
  if (GetParam() == Kind::kUnary) {
    EXPECT_EQ(session_->write(stream_, too_long).error(), v1::MSGSIZE);
  } else {
    ASSERT_TRUE(mode_->write({too_long}));
    EXPECT_EQ(static_cast<TransferMode&>(*mode_).told(), v1::MSGSIZE);
  }
  ASSERT_TRUE(mode_->write({"short"}));
  EXPECT_EQ(peer_.receive(), "short");
}

TEST_P(DatagramModeTest, ADatagramOfAUnixPeerPasses) {
  const std::string path = daemon_.directory() + "/s/peer", own = daemon_.directory() + "/s/own";
  NativeSocket native = native_bind(native_unix(path), SOCK_DGRAM);
  const v1::HandleReply control = session_->open_datagram("local", own);
  const v1::HandleReply connection = session_->connect(control.handle(), path);
  ASSERT_EQ(connection.error(), v1::SUCCESS);
  use(session_->stream_create(connection).handle());
  ASSERT_TRUE(mode_->write({"", "to a path"}));
  NativeAddress from;
  EXPECT_EQ(native.receive(), "");
  EXPECT_EQ(native.receive(&from), "to a path");
  native.send_to(pattern(kLargest), from);
  EXPECT_TRUE(mode_->read().data == pattern(kLargest));
}

TEST_F(DatagramTest, AReadWithTooLittleRoomIsTruncated) {
  NativeSocket native = peer();
  const std::string stream = connect(address_of(native));
  ASSERT_EQ(session_->write(stream, "hello").written(), 5u);
  NativeAddress guest;
  native.receive(&guest);
  native.send_to("abcdef", guest);
  native.send_to("next", guest);
  v1::ReadReply reply = session_->read(stream, false, 3);
  EXPECT_EQ(reply.data(), "abc");
  EXPECT_TRUE(reply.truncated());
  reply = session_->read(stream, false, 4);
  EXPECT_EQ(reply.data(), "next");
  EXPECT_FALSE(reply.truncated());
}

TEST_F(DatagramTest, DGRAM_9_PollTellsTheSizeOfTheNextDatagram) {
  NativeSocket native = peer();
  const std::string stream = connect(address_of(native));
  ASSERT_EQ(session_->write(stream, "hello").written(), 5u);
  NativeAddress guest;
  native.receive(&guest);
  EXPECT_EQ(session_->poll(stream, v1::READABLE).readiness(), 0u);
  native.send_to(std::string(1234, 'x'), guest);
  const v1::Ready ready = told();
  EXPECT_EQ(ready.readiness(), static_cast<uint32_t>(v1::READABLE));
  EXPECT_EQ(ready.next_size(), 1234u);
  EXPECT_EQ(session_->poll(stream, v1::READABLE).next_size(), 1234u);
}

// ---- what no correct shim sends

TEST_F(DatagramTest, FramesOfTheOtherKindEndTheCall) {
  NativeSocket native = peer();
  RawTransfer datagrams(*host_, session_->token(), connect(address_of(native)));
  ASSERT_EQ(datagrams.opened(), v1::SUCCESS);
  datagrams.data("bytes");
  EXPECT_EQ(datagrams.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  const v1::HandleReply control = session_->open("bytes", "0.0.0.0:0");
  const v1::HandleReply stream = session_->stream_create(session_->connect(control.handle(), address_of(listener)));
  RawTransfer bytes(*host_, session_->token(), stream.handle());
  ASSERT_EQ(bytes.opened(), v1::SUCCESS);
  bytes.datagrams({"x"});
  EXPECT_EQ(bytes.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(DatagramTest, FramesThatAreTooMuchEndTheCall) {
  const std::vector<std::vector<std::string>> frames = {
      std::vector<std::string>(129, "x"),
      {std::string(40'000, 'x'), std::string(25'537, 'y')},
      {std::string(65'537, 'x')},
  };
  NativeSocket native = peer();
  for (const auto& frame : frames) {
    RawTransfer transfer(*host_, session_->token(), connect(address_of(native)));
    ASSERT_EQ(transfer.opened(), v1::SUCCESS);
    transfer.datagrams(frame);
    EXPECT_EQ(transfer.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT) << frame.size();
  }
  grpc::Status status;
  session_->send_to(bind().handle, address_of(native), std::string(65'537, 'x'), false, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(DatagramTest, TheLargestFramesPass) {
  NativeSocket native = peer();
  RawTransfer transfer(*host_, session_->token(), connect(address_of(native)));
  ASSERT_TRUE(transfer.datagrams(std::vector<std::string>(128, "x")));
  for (int i = 0; i < 128; ++i) EXPECT_EQ(native.receive(), "x");
  ASSERT_TRUE(transfer.datagrams({std::string(32'768, 'x'), std::string(32'768, 'y')}));
  EXPECT_EQ(native.receive().size(), 32'768u);
  EXPECT_EQ(native.receive().size(), 32'768u);
  EXPECT_TRUE(transfer.close().ok());
}

TEST_F(DatagramTest, DGRAM_12_WhatWasWrittenLeavesBeforeTheClose) {
  NativeSocket native = peer();
  RawTransfer transfer(*host_, session_->token(), connect(address_of(native)));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(transfer.datagrams({std::to_string(i)}));
  EXPECT_TRUE(transfer.close().ok());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(native.receive(), std::to_string(i));
}

TEST_F(DatagramTest, RightsAreAskedForAtEveryFrame) {
  NativeSocket native = peer();
  RawTransfer transfer(*host_, session_->token(), connect(address_of(native)));
  ASSERT_TRUE(transfer.datagrams({"before"}));
  ASSERT_TRUE(transfer.narrow(0));
  ASSERT_TRUE(transfer.datagrams({"after"}));
  NativeAddress guest;
  EXPECT_EQ(native.receive(&guest), "before");
  v1::SessionEvent event;
  ASSERT_TRUE(session_->next(event));
  EXPECT_EQ(event.write_ended().error(), v1::NOTCAPABLE);
  native.send_to("no reader", guest);
  EXPECT_TRUE(transfer.close().ok());
}

TEST_F(DatagramTest, ShutdownEndsOneDirection) {
  NativeSocket native = peer();
  RawTransfer transfer(*host_, session_->token(), connect(address_of(native)));
  ASSERT_TRUE(transfer.datagrams({"last"}));
  ASSERT_TRUE(transfer.fin());
  ASSERT_TRUE(transfer.datagrams({"dropped"}));
  NativeAddress guest;
  EXPECT_EQ(native.receive(&guest), "last");
  native.send_to("still in", guest);
  v1::TransferReply reply;
  ASSERT_TRUE(transfer.next(reply));
  EXPECT_EQ(reply.datagrams().data(0), "still in");
  EXPECT_TRUE(transfer.close().ok());

  const std::string stream = connect(address_of(native));
  EXPECT_EQ(session_->shutdown(stream, false, true), v1::SUCCESS);
  EXPECT_EQ(session_->write(stream, "x").error(), v1::PIPE);
  EXPECT_EQ(session_->shutdown(stream, true, false), v1::SUCCESS);
  EXPECT_TRUE(session_->read(stream).end());
}

}  // namespace
}  // namespace wasi_netd::test
