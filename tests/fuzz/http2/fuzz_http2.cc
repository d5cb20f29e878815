// Fuzz target: any bytes as what a host sends behind a good preface, with gRPC's answers in between. The first byte
// chooses how the bytes are cut into pieces.
//
// What passes is what came, with barriers between frames only; it does not depend on the pieces; of frames that cost,
// no more than two batches pass without an acknowledgement; and whatever passes keeps to the rules.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/rpc/http2_gate.h"

namespace {

using wasi_netd::rpc::Http2Gate;
using Next = Http2Gate::Next;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kSettings{"\0\0\0\4\0\0\0\0\0", 9};
constexpr std::string_view kAcknowledgement{"\0\0\0\4\1\0\0\0\0", 9};

void require(bool holds) {
  if (!holds) std::abort();
}

struct Passed {
  std::string without_barriers;
  std::string with_barriers;
  bool cut = false;
};

// All of `bytes` in pieces of `piece`, with gRPC acknowledging whatever it got when the host has to wait.
Passed pass(std::string_view bytes, size_t piece) {
  Http2Gate gate;
  Passed passed;
  require(gate.from_grpc(kSettings).pass == kSettings.size());
  size_t acknowledged = 0;  // of with_barriers
  for (size_t at = 0, end = 0; at < bytes.size();) {
    end = std::min(bytes.size(), std::max(end, at) + piece);
    bool more = true;
    while (more) {
      const Http2Gate::FromHost step = gate.from_host(bytes.substr(at, end - at));
      require(step.pass <= end - at);
      passed.without_barriers += bytes.substr(at, step.pass);
      passed.with_barriers += bytes.substr(at, step.pass);
      at += step.pass;
      require((gate.violation() != nullptr) == (step.next == Next::kCut));
      switch (step.next) {
        case Next::kRead:
          require(end - at < Http2Gate::kBarrier.size());
          more = false;
          break;
        case Next::kBarrier:
          passed.with_barriers += Http2Gate::kBarrier;
          break;
        case Next::kWait: {
          // The smallest frame that costs is nine bytes: so much must have passed since the last acknowledgement.
          require(passed.with_barriers.size() > acknowledged);
          acknowledged = passed.with_barriers.size();
          int settings = 0;
          for (bool released = false; !released; ++settings) {
            require(settings <= static_cast<int>(2 * Http2Gate::kBatch) + 1);
            released = gate.from_grpc(kAcknowledgement).released;
          }
          break;
        }
        case Next::kCut:
          passed.cut = true;
          return passed;
      }
    }
    if (end == bytes.size()) break;
  }
  return passed;
}

// What passed, read again: whole frames within the rules, but for the last.
void check(std::string_view bytes) {
  require(bytes.substr(0, kPreface.size()) == kPreface.substr(0, bytes.size()));
  bytes.remove_prefix(std::min(bytes.size(), kPreface.size()));
  size_t block = 0;
  bool in_block = false;
  while (bytes.size() >= 9) {
    const auto at = [bytes](size_t i) { return size_t{static_cast<uint8_t>(bytes[i])}; };
    const size_t length = at(0) << 16 | at(1) << 8 | at(2), type = at(3), flags = at(4);
    require(length <= Http2Gate::kMaxFrame && type != 5);
    require(in_block == (type == 9));
    if (type == 1 || type == 9) {
      block = type == 1 ? length : block + length;
      in_block = (flags & 4) == 0;
      require(block <= Http2Gate::kMaxHeaderBlock);
    }
    bytes.remove_prefix(std::min(bytes.size(), 9 + length));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes = std::string(kPreface) + std::string(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Passed whole = pass(bytes, bytes.size());
  require(bytes.starts_with(whole.without_barriers));
  check(whole.with_barriers);
  const Passed pieces = pass(bytes, 1 + data[0] % 32);
  require(pieces.with_barriers == whole.with_barriers && pieces.cut == whole.cut);
  return 0;
}
