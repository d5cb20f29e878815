#pragma once
// What passes between a host and gRPC on one connection, followed by its frame headers (RFC 9113): what a host may send
// at all, and how far it may be ahead of what gRPC has done.
//
// gRPC reads on, however much of what it was asked for is not done or not taken by the host, and keeps a call until its
// last frame is written. So bytes are let through in small batches. Behind each the gate puts a barrier, an empty
// SETTINGS frame, which gRPC acknowledges in the order of its work; the acknowledgement (which no host sees) comes out
// when gRPC has read the batch and the host has taken what was to be written before. A second batch may pass meanwhile,
// so that a host that reads waits for nothing.
//
// Pure: bytes and what to do with them. One connection, one thread. Both directions are fed in order; what was not
// passed is offered again, with what came behind it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace wasi_netd::rpc {

class Http2Gate {
 public:
  // SETTINGS_MAX_FRAME_SIZE as gRPC leaves it.
  static constexpr size_t kMaxFrame = 16 * 1024;
  // Of a HEADERS frame and its CONTINUATION frames, as sent. gRPC's own limit counts what they unfold to, after it has
  // decoded them in time that grows with the square of their size.
  static constexpr size_t kMaxHeaderBlock = 16 * 1024;
  // Calls of a host that has not acknowledged gRPC's settings: before that gRPC limits them by nothing.
  static constexpr uint32_t kMaxEarlyCalls = 100;
  // What a batch may cost, and what frames cost that make gRPC hold something; others are free.
  static constexpr uint32_t kBatch = 8;
  static constexpr uint32_t kCallCost = 1;     // HEADERS
  static constexpr uint32_t kResetCost = 3;    // RST_STREAM: the call lives on after its stream
  static constexpr uint32_t kControlCost = 1;  // PING, SETTINGS, GOAWAY
  static constexpr std::string_view kBarrier{"\0\0\0\4\0\0\0\0\0", 9};

  enum class Next : uint8_t {
    kRead,     // read more; what is not to be passed yet is less than a frame header
    kBarrier,  // send kBarrier to gRPC, then offer the rest
    kWait,     // offer the rest when release() says so
    kCut,      // the host broke a rule: violation() says which
  };
  struct FromHost {
    size_t pass;  // this many of the bytes go to gRPC first
    Next next;
  };
  FromHost from_host(std::string_view bytes);

  struct FromGrpc {
    size_t pass;    // this many of the bytes go to the host
    size_t drop;    // this many behind them do not; then offer the rest, if there is one
    bool released;  // what kWait held back may be offered again
  };
  FromGrpc from_grpc(std::string_view bytes);

  const char* violation() const { return violation_; }

 private:
  struct Header {
    uint32_t length, stream;
    uint8_t type, flags;
  };
  static Header parse(std::string_view bytes);
  static uint32_t cost(const Header&);
  const char* judge(const Header&);
  bool take_acknowledgement();

  // Of the direction from the host.
  size_t preface_ = 0;                    // bytes of it that came
  size_t from_host_payload_ = 0;          // of the frame that is passing, still to come
  std::optional<uint32_t> block_stream_;  // whose header block is not complete
  size_t block_size_ = 0;
  uint32_t last_stream_ = 0, early_calls_ = 0;
  const char* violation_ = nullptr;
  // Between both.
  uint32_t spent_ = 0;           // by the batch that is passing
  bool barrier_ = false;         // one is not acknowledged
  uint32_t settings_ = 0;        // of the host, that gRPC has not acknowledged
  uint32_t settings_ahead_ = 0;  // of these, sent before the barrier
  bool announced_ = false;       // gRPC has sent its settings
  bool settled_ = false;         // and the host has acknowledged them
  // Of the direction from gRPC.
  size_t from_grpc_payload_ = 0;
};

}  // namespace wasi_netd::rpc
