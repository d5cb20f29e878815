#include "daemon/rpc/http2_gate.h"

#include <algorithm>
#include <utility>

namespace wasi_netd::rpc {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeader = 9;
enum Type : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kResetStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kContinuation = 9,
};
constexpr uint8_t kAck = 1, kEndHeaders = 4;

}  // namespace

Http2Gate::Header Http2Gate::parse(std::string_view bytes) {
  const auto at = [bytes](size_t i) { return uint32_t{static_cast<uint8_t>(bytes[i])}; };
  return {at(0) << 16 | at(1) << 8 | at(2), (at(5) & 0x7f) << 24 | at(6) << 16 | at(7) << 8 | at(8),
          static_cast<uint8_t>(bytes[3]), static_cast<uint8_t>(bytes[4])};
}

uint32_t Http2Gate::cost(const Header& header) {
  switch (header.type) {
    case kHeaders:
      return kCallCost;
    case kResetStream:
      return kResetCost;
    case kSettings:
    case kPing:
      return (header.flags & kAck) != 0 ? 0 : kControlCost;
    case kGoaway:
      return kControlCost;
    default:
      return 0;
  }
}

// The rule that the frame breaks; else null, and the frame is taken as passed.
const char* Http2Gate::judge(const Header& header) {
  if (header.length > kMaxFrame) return "a frame larger than was announced";
  if (block_stream_ ? header.type != kContinuation || header.stream != *block_stream_ : header.type == kContinuation) {
    return "a header block that is not in one piece";
  }
  switch (header.type) {
    case kHeaders:
      if (header.stream > last_stream_ && !settled_ && ++early_calls_ > kMaxEarlyCalls) {
        return "calls before the settings were acknowledged";
      }
      last_stream_ = std::max(last_stream_, header.stream);
      block_size_ = 0;
      [[fallthrough]];
    case kContinuation:
      block_size_ += header.length;
      if (header.type == kContinuation) block_size_ += kFrameHeader;  // empty ones count too
      if (block_size_ > kMaxHeaderBlock) return "headers too large";
      if ((header.flags & kEndHeaders) != 0) {
        block_stream_.reset();
      } else {
        block_stream_ = header.stream;
      }
      return nullptr;
    case kSettings:
      if ((header.flags & kAck) == 0) {
        ++settings_;
      } else if (!announced_) {
        return "settings acknowledged before they were sent";
      } else {
        settled_ = true;
      }
      return nullptr;
    case kPushPromise:
      return "a push";
    default:
      return nullptr;
  }
}

Http2Gate::FromHost Http2Gate::from_host(std::string_view bytes) {
  size_t at = 0;
  for (; preface_ < kPreface.size() && at < bytes.size(); ++at, ++preface_) {
    if (bytes[at] != kPreface[preface_]) {
      violation_ = "no HTTP/2";
      return {0, Next::kCut};
    }
  }
  for (;;) {
    const size_t payload = std::min(from_host_payload_, bytes.size() - at);
    from_host_payload_ -= payload;
    at += payload;
    if (bytes.size() - at < kFrameHeader) return {at, Next::kRead};
    const Header header = parse(bytes.substr(at));
    const uint32_t price = cost(header);
    if (price > 0 && !block_stream_ && spent_ + price > kBatch) {
      if (barrier_) return {at, Next::kWait};
      barrier_ = true;
      spent_ = 0;
      settings_ahead_ = settings_;
      return {at, Next::kBarrier};
    }
    if (const char* broken = judge(header)) {
      violation_ = broken;
      return {at, Next::kCut};
    }
    spent_ += price;
    from_host_payload_ = header.length;
    at += kFrameHeader;
  }
}

// Whether it is the barrier's, and not for the host.
bool Http2Gate::take_acknowledgement() {
  if (barrier_ && settings_ahead_ == 0) {
    barrier_ = false;
    return true;
  }
  if (barrier_) --settings_ahead_;
  if (settings_ > 0) --settings_;
  return false;
}

Http2Gate::FromGrpc Http2Gate::from_grpc(std::string_view bytes) {
  size_t at = 0;
  for (;;) {
    const size_t payload = std::min(from_grpc_payload_, bytes.size() - at);
    from_grpc_payload_ -= payload;
    at += payload;
    if (bytes.size() - at < kFrameHeader) return {at, 0, false};
    const Header header = parse(bytes.substr(at));
    if (header.type == kSettings && (header.flags & kAck) != 0) {
      if (take_acknowledgement()) return {at, kFrameHeader, true};
    } else if (header.type == kSettings) {
      announced_ = true;
    }
    from_grpc_payload_ = header.length;
    at += kFrameHeader;
  }
}

}  // namespace wasi_netd::rpc
