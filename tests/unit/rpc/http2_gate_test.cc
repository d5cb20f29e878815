// The gate over what hosts and gRPC send: each rule, each way to cut the bytes into pieces, and who waits for what.
#include "daemon/rpc/http2_gate.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/http2_frames.h"

namespace wasi_netd::rpc {
namespace {

using namespace test::http2;
using Next = Http2Gate::Next;

// Both ends of a gate: what has passed, and what it said last.
class Ends {
 public:
  explicit Ends(size_t piece = 1 << 20) : piece_(piece) {}
  // Offers the bytes in pieces and puts the barriers in; false when the rest has to wait or the host is cut.
  bool host(std::string_view bytes) {
    host_ += bytes;
    return host_goes_on();
  }
  bool host_goes_on() {
    while (!host_.empty()) {
      const auto step = gate_.from_host(std::string_view(host_).substr(0, offered_ + piece_));
      to_grpc_ += host_.substr(0, step.pass);
      host_.erase(0, step.pass);
      offered_ = step.pass == 0 ? offered_ + piece_ : 0;
      last_ = step.next;
      if (step.next == Next::kBarrier) {
        to_grpc_ += Http2Gate::kBarrier;
        ++barriers_;
      }
      if (step.next == Next::kWait || step.next == Next::kCut) {
        offered_ = 0;
        return false;
      }
      if (step.next == Next::kRead && step.pass == 0 && offered_ >= host_.size()) {
        offered_ = 0;
        return true;
      }
    }
    return true;
  }
  // True when it released the host.
  bool grpc(std::string_view bytes) {
    grpc_ += bytes;
    bool released = false;
    for (size_t offer = piece_; !grpc_.empty();) {
      const auto step = gate_.from_grpc(std::string_view(grpc_).substr(0, offer));
      to_host_ += grpc_.substr(0, step.pass);
      grpc_.erase(0, step.pass + step.drop);
      released |= step.released;
      if (step.pass + step.drop == 0 && offer >= grpc_.size()) break;
      offer = step.pass + step.drop == 0 ? offer + piece_ : piece_;
    }
    return released;
  }
  // The preface, and the settings of both acknowledged.
  void greet() {
    EXPECT_TRUE(host(std::string(kPreface) + frame(kSettings, 0, 0, number(4, 2) + number(65535, 4))));
    EXPECT_FALSE(grpc(frame(kSettings, 0, 0) + frame(kSettings, kAck, 0)));
    EXPECT_TRUE(host(frame(kSettings, kAck, 0)));
    to_grpc_.clear();
    to_host_.clear();
  }
  const std::string& to_grpc() const { return to_grpc_; }
  const std::string& to_host() const { return to_host_; }
  std::string violation() const { return gate_.violation() ? gate_.violation() : ""; }
  Next last() const { return last_; }
  int barriers() const { return barriers_; }

 private:
  Http2Gate gate_;
  const size_t piece_;
  size_t offered_ = 0;
  std::string host_, grpc_, to_grpc_, to_host_;
  Next last_ = Next::kRead;
  int barriers_ = 0;
};

std::string calls(uint32_t first, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += frame(kHeaders, kEndHeaders, first + 2 * static_cast<uint32_t>(i), "h");
  return out;
}
std::string repeated(int count, const std::string& one) {
  std::string out;
  for (int i = 0; i < count; ++i) out += one;
  return out;
}

TEST(Http2GateTest, WhatAHostMaySendPassesAsItIsHoweverItIsCut) {
  const std::string said =
      frame(kHeaders, kEndHeaders, 1, std::string(500, 'h')) + frame(kData, 0, 1, std::string(16384, 'd')) +
      frame(kWindowUpdate, 0, 0, number(1, 4)) + frame(kHeaders, 0, 3, "h") + frame(kContinuation, 0, 3, "h") +
      frame(kContinuation, kEndHeaders, 3) + frame(kPriority, 0, 3, "12345") + frame(kPing, 0, 0, "12345678") +
      frame(0x77, 0xff, 9, "unknown") + frame(kData, kEndStream, 1) + frame(kResetStream, 0, 3, number(8, 4));
  for (const size_t piece : {1u, 2u, 8u, 9u, 10u, 100u, 20000u, 1u << 20}) {
    Ends ends(piece);
    ends.greet();
    EXPECT_TRUE(ends.host(said)) << ends.violation();
    EXPECT_EQ(ends.to_grpc(), said) << "in pieces of " << piece;
    EXPECT_FALSE(ends.grpc(said));
    EXPECT_EQ(ends.to_host(), said) << "in pieces of " << piece;
  }
}

TEST(Http2GateTest, WhatAHostMayNotSendIsCut) {
  const struct {
    std::string said;
    std::string violation;
  } cases[] = {
      {frame(kData, 0, 1, std::string(16385, 'd')), "a frame larger than was announced"},
      {frame(0x77, 0, 1, std::string(16385, 'd')), "a frame larger than was announced"},
      {frame(kHeaders, 0, 1, std::string(16384, 'h')) + frame(kContinuation, 0, 1, "h"), "headers too large"},
      {frame(kHeaders, 0, 1) + repeated(2000, frame(kContinuation, 0, 1)), "headers too large"},
      {frame(kHeaders, 0, 1) + frame(kContinuation, kEndHeaders, 3), "a header block that is not in one piece"},
      {frame(kHeaders, 0, 1) + frame(kPing, 0, 0, "12345678"), "a header block that is not in one piece"},
      {frame(kHeaders, 0, 1) + frame(kHeaders, kEndHeaders, 1), "a header block that is not in one piece"},
      {frame(kContinuation, kEndHeaders, 1), "a header block that is not in one piece"},
      {frame(kPushPromise, kEndHeaders, 1, number(2, 4)), "a push"},
  };
  for (const auto& [said, violation] : cases) {
    for (const size_t piece : {1u, 1u << 20}) {
      Ends ends(piece);
      ends.greet();
      EXPECT_FALSE(ends.host(said));
      EXPECT_EQ(ends.last(), Next::kCut);
      EXPECT_EQ(ends.violation(), violation);
    }
  }
}

TEST(Http2GateTest, TheOffendingFrameDoesNotPass) {
  Ends ends;
  ends.greet();
  EXPECT_FALSE(ends.host(calls(1, 1) + frame(kPushPromise, 0, 1) + calls(3, 1)));
  EXPECT_EQ(ends.to_grpc(), calls(1, 1));
}

TEST(Http2GateTest, OtherThanHttp2IsCut) {
  for (const std::string said : {"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", "\x16\x03\x01"}) {
    for (const size_t piece : {1u, 100u}) {
      Ends ends(piece);
      EXPECT_FALSE(ends.host(said));
      EXPECT_EQ(ends.violation(), "no HTTP/2");
    }
  }
}

TEST(Http2GateTest, CallsBeforeTheSettingsAreAcknowledgedAreFew) {
  constexpr int kFew = Http2Gate::kMaxEarlyCalls;
  Ends ends;
  EXPECT_TRUE(ends.host(std::string(kPreface) + frame(kSettings, 0, 0)));
  ends.grpc(frame(kSettings, 0, 0) + frame(kSettings, kAck, 0));
  uint32_t stream = 1;
  for (int i = 0; i < kFew; ++i, stream += 2) {
    ends.host(calls(stream, 1));
    ends.grpc(repeated(2, frame(kSettings, kAck, 0)));
    ASSERT_TRUE(ends.host_goes_on()) << ends.violation();
  }
  EXPECT_TRUE(ends.host(frame(kHeaders, kEndHeaders, 1, "trailers")));  // no call
  EXPECT_FALSE(ends.host(calls(stream, 1)));
  EXPECT_EQ(ends.violation(), "calls before the settings were acknowledged");
}

TEST(Http2GateTest, SettingsCannotBeAcknowledgedBeforeTheyAreSent) {
  Ends ends;
  EXPECT_FALSE(ends.host(std::string(kPreface) + frame(kSettings, 0, 0) + frame(kSettings, kAck, 0)));
  EXPECT_EQ(ends.violation(), "settings acknowledged before they were sent");
}

// What makes gRPC hold something, and how many of it pass before gRPC has acknowledged anything.
TEST(Http2GateTest, AHostIsTwoBatchesAheadAtMost) {
  constexpr int kBatch = Http2Gate::kBatch;
  const struct {
    std::string frame;
    int passing;
  } cases[] = {
      {frame(kHeaders, kEndHeaders, 1, "h"), 2 * kBatch},
      {frame(kPing, 0, 0, "12345678"), 2 * kBatch},
      {frame(kSettings, 0, 0), 2 * kBatch},
      {frame(kGoaway, 0, 0, "12345678"), 2 * kBatch},
      {frame(kResetStream, 0, 1, number(8, 4)), 2 * (kBatch / static_cast<int>(Http2Gate::kResetCost))},
  };
  for (const auto& [one, passing] : cases) {
    for (const size_t piece : {1u, 1u << 20}) {
      Ends ends(piece);
      ends.greet();
      EXPECT_FALSE(ends.host(repeated(1000, one)));
      EXPECT_EQ(ends.last(), Next::kWait);
      // The greeting had one SETTINGS of the host, in the first batch.
      EXPECT_NEAR(static_cast<double>(ends.to_grpc().size()), static_cast<double>(passing) * one.size() + 9,
                  one.size());
      EXPECT_EQ(ends.barriers(), 1);
      EXPECT_FALSE(ends.host_goes_on());
    }
  }
}

TEST(Http2GateTest, WhatMakesGrpcHoldNothingNeverWaits) {
  for (const std::string& one :
       {frame(kData, 0, 1, "d"), frame(kWindowUpdate, 0, 1, number(1, 4)), frame(kPriority, 0, 1, "12345"),
        frame(kPing, kAck, 0, "12345678"), frame(kSettings, kAck, 0), frame(0x77, 0, 1)}) {
    Ends ends;
    ends.greet();
    EXPECT_TRUE(ends.host(repeated(1000, one)));
    EXPECT_EQ(ends.barriers(), 0);
  }
}

TEST(Http2GateTest, TheBarriersAcknowledgementReleasesAndIsNotForTheHost) {
  constexpr int kBatch = Http2Gate::kBatch;
  for (const size_t piece : {1u, 1u << 20}) {
    Ends ends(piece);
    ends.greet();
    EXPECT_FALSE(ends.host(calls(1, 4 * kBatch - 1)));  // the greeting has spent one
    const std::string reply = frame(kHeaders, kEndHeaders | kEndStream, 1, "trailers");
    EXPECT_FALSE(ends.grpc(reply));
    EXPECT_TRUE(ends.grpc(frame(kSettings, kAck, 0) + reply));
    EXPECT_EQ(ends.to_host(), reply + reply);
    EXPECT_FALSE(ends.host_goes_on());  // the next batch, then it waits again
    EXPECT_EQ(ends.barriers(), 2);
    EXPECT_TRUE(ends.grpc(frame(kSettings, kAck, 0)));
    EXPECT_TRUE(ends.host_goes_on());
    EXPECT_EQ(ends.barriers(), 3);
  }
}

TEST(Http2GateTest, AcknowledgementsOfTheHostsOwnSettingsReachIt) {
  constexpr int kBatch = Http2Gate::kBatch;
  Ends ends;
  ends.greet();  // has spent one
  const std::string settings = frame(kSettings, 0, 0), acknowledged = frame(kSettings, kAck, 0);
  // Two before the barrier, one behind it.
  EXPECT_TRUE(ends.host(settings + settings + calls(1, kBatch - 3) + settings));
  EXPECT_EQ(ends.barriers(), 1);
  EXPECT_FALSE(ends.grpc(acknowledged + acknowledged));
  EXPECT_EQ(ends.to_host(), acknowledged + acknowledged);
  EXPECT_TRUE(ends.grpc(acknowledged));
  EXPECT_EQ(ends.to_host(), acknowledged + acknowledged);
  EXPECT_FALSE(ends.grpc(acknowledged));
  EXPECT_EQ(ends.to_host(), acknowledged + acknowledged + acknowledged);
}

TEST(Http2GateTest, ABarrierNeverPartsAHeaderBlock) {
  constexpr int kBatch = Http2Gate::kBatch;
  Ends ends;
  ends.greet();
  const std::string block =
      frame(kHeaders, 0, 99, "h") + frame(kContinuation, 0, 99, "h") + frame(kContinuation, kEndHeaders, 99, "h");
  EXPECT_TRUE(ends.host(calls(1, kBatch - 2) + block + block));
  EXPECT_EQ(ends.to_grpc(), calls(1, kBatch - 2) + block + std::string(Http2Gate::kBarrier) + block);
}

}  // namespace
}  // namespace wasi_netd::rpc
