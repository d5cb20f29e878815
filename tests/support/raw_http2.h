#pragma once
// A host that writes HTTP/2 itself (RFC 9113): it can send what no gRPC library sends, and let no reply out. Test
// thread only.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sys/time.h>

#include "tests/support/native.h"

namespace wasi_netd::test {

class RawHttp2 {
 public:
  // `window`: how many bytes the daemon may send on a call before this side takes them, which it never does.
  explicit RawHttp2(const std::string& socket_path, uint32_t window = 65535)
      : socket_(native_connect(native_unix(socket_path))) {
    std::string settings = number(4, 2) + number(window, 4);  // SETTINGS_INITIAL_WINDOW_SIZE
    socket_.write_all("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, settings));
  }
  NativeSocket& socket() { return socket_; }

  // The headers of a call of `method` ("/package.Service/Method") and what else is given; returns its stream.
  uint32_t call(std::string_view method, std::initializer_list<std::pair<std::string, std::string>> more = {}) {
    std::string block = header(":method", "POST") + header(":scheme", "http") + header(":path", method) +
                        header(":authority", "x") + header("content-type", "application/grpc") +
                        header("te", "trailers");
    for (const auto& [name, value] : more) block += header(name, value);
    const uint32_t stream = next_stream_;
    next_stream_ += 2;
    socket_.write_all(frame(kHeaders, kEndHeaders, stream, block));
    return stream;
  }
  // A message of `stream`, serialized.
  void message(uint32_t stream, std::string_view bytes) {
    const auto size = static_cast<uint32_t>(bytes.size());
    socket_.write_all(frame(kData, 0, stream, '\0' + number(size, 4) + std::string(bytes)));
  }
  // Calls of `method` until the daemon takes no more of them, `most` at the most; no reply is taken. Returns how many
  // it took.
  int call_until_full(std::string_view method, int most) {
    const timeval patience = {0, 200'000};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    try {
      for (int i = 0; i < most; ++i) call(method);
    } catch (const std::system_error&) {
      return static_cast<int>(next_stream_ / 2) - 1;
    }
    return most;
  }
  void cancel(uint32_t stream) {
    constexpr uint32_t kCancel = 8;
    socket_.write_all(frame(kResetStream, 0, stream, number(kCancel, 4)));
  }

 private:
  static constexpr uint8_t kData = 0, kHeaders = 1, kResetStream = 3, kSettings = 4;
  static constexpr uint8_t kEndHeaders = 4;

  static std::string number(uint32_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
  }
  static std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    std::string out = number(static_cast<uint32_t>(payload.size()), 3);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    return out + number(stream, 4) + std::string(payload);
  }
  // A string literal without Huffman code (RFC 7541 5.2).
  static std::string text(std::string_view value) {
    constexpr size_t kPrefix = 127;
    std::string out;
    if (value.size() < kPrefix) {
      out += static_cast<char>(value.size());
    } else {
      out += static_cast<char>(kPrefix);
      size_t rest = value.size() - kPrefix;
      for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
      out += static_cast<char>(rest);
    }
    return out.append(value);
  }
  // A literal field that enters no table (RFC 7541 6.2.2).
  static std::string header(std::string_view name, std::string_view value) { return '\0' + text(name) + text(value); }

  NativeSocket socket_;
  uint32_t next_stream_ = 1;
};

}  // namespace wasi_netd::test
