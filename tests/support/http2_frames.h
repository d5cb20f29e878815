#pragma once
// HTTP/2 as bytes (RFC 9113), for hosts that write it themselves.
#include <cstdint>
#include <string>
#include <string_view>

namespace wasi_netd::test::http2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr uint8_t kData = 0, kHeaders = 1, kPriority = 2, kResetStream = 3, kSettings = 4, kPushPromise = 5,
                         kPing = 6, kGoaway = 7, kWindowUpdate = 8, kContinuation = 9;
inline constexpr uint8_t kAck = 1, kEndStream = 1, kEndHeaders = 4;

inline std::string number(uint32_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}
inline std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload = {}) {
  std::string out = number(static_cast<uint32_t>(payload.size()), 3);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  return out + number(stream, 4) + std::string(payload);
}

}  // namespace wasi_netd::test::http2
