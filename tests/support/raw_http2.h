#pragma once
// A host that writes HTTP/2 itself: it can send what no gRPC library sends, and let no reply out. Test thread only.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tests/support/http2_frames.h"
#include "tests/support/native.h"

namespace wasi_netd::test {

class RawHttp2 {
 public:
  enum class Settings : bool { kLeft, kAcknowledged };
  // Waits for the daemon's settings; throws when it does not let this host in. `window`: how many bytes the daemon may
  // send on a call before this side takes them, which it never does.
  explicit RawHttp2(const std::string& socket_path, uint32_t window = 65535,
                    Settings settings = Settings::kAcknowledged)
      : socket_(native_connect(native_unix(socket_path))) {
    const std::string own = http2::number(4, 2) + http2::number(window, 4);  // SETTINGS_INITIAL_WINDOW_SIZE
    socket_.write_all(std::string(http2::kPreface) + http2::frame(http2::kSettings, 0, 0, own));
    const std::string header = socket_.read(9);
    if (header.size() < 9) throw std::system_error(ECONNRESET, std::generic_category(), "host connection");
    const auto at = [&header](size_t i) { return size_t{static_cast<uint8_t>(header[i])}; };
    socket_.read(at(0) << 16 | at(1) << 8 | at(2));
    if (settings == Settings::kAcknowledged) socket_.write_all(http2::frame(http2::kSettings, http2::kAck, 0));
  }
  NativeSocket& socket() { return socket_; }

  // The headers of a call of `method` ("/package.Service/Method") and what else is given; returns its stream.
  uint32_t call(std::string_view method, std::initializer_list<std::pair<std::string, std::string>> more = {}) {
    const uint32_t stream = next_stream();
    socket_.write_all(http2::frame(http2::kHeaders, http2::kEndHeaders, stream, headers(method, more)));
    return stream;
  }
  // A message of `stream`, serialized.
  void message(uint32_t stream, std::string_view bytes) {
    const auto size = static_cast<uint32_t>(bytes.size());
    socket_.write_all(http2::frame(http2::kData, 0, stream, '\0' + http2::number(size, 4) + std::string(bytes)));
  }
  void cancel(uint32_t stream) { socket_.write_all(reset(stream)); }

  uint32_t next_stream() { return std::exchange(next_stream_, next_stream_ + 2); }
  static std::string reset(uint32_t stream) {
    constexpr uint32_t kCancel = 8;
    return http2::frame(http2::kResetStream, 0, stream, http2::number(kCancel, 4));
  }
  static std::string headers(std::string_view method,
                             std::initializer_list<std::pair<std::string, std::string>> more = {}) {
    std::string block = header(":method", "POST") + header(":scheme", "http") + header(":path", method) +
                        header(":authority", "x") + header("content-type", "application/grpc") +
                        header("te", "trailers");
    for (const auto& [name, value] : more) block += header(name, value);
    return block;
  }

  // Sends as much as the daemon takes, and returns how much that was: less than all when it cut this host off, or when
  // it has taken nothing for a while. What it says meanwhile is thrown away if `takes_replies`, else left.
  size_t send(std::string_view bytes, bool takes_replies) {
    constexpr int kAWhileMs = 300;
    size_t sent = 0;
    while (sent < bytes.size()) {
      pollfd entry = {socket_.fd(), static_cast<short>(takes_replies ? POLLIN | POLLOUT : POLLOUT), 0};
      if (::poll(&entry, 1, kAWhileMs) == 0) break;
      char reply[16 * 1024];
      if ((entry.revents & POLLIN) != 0 && ::recv(socket_.fd(), reply, sizeof reply, MSG_DONTWAIT) == 0) break;
      const ssize_t n = ::send(socket_.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) break;
      if (n > 0) sent += static_cast<size_t>(n);
    }
    return sent;
  }

 private:
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
