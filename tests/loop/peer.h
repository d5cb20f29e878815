#pragma once
// The other end of one of our connections: a native socket, in the clear or with native TLS on it.
//
// Calls block until our side has acted: run them beside the loop unless what they need is there already. A read ends
// early at the peer's end or after an error; why() tells which.
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tests/support/native_tls.h"

namespace wasi_netd::test {

class Peer {
 public:
  Peer() = default;
  explicit Peer(NativeSocket socket) : plain_(std::move(socket)) {}
  explicit Peer(NativeTls tls) : tls_(std::move(tls)) {}

  NativeSocket& socket() { return tls_ ? tls_->socket() : plain_; }
  NativeTls& tls() { return *tls_; }

  void write_all(std::string_view bytes) { tls_ ? tls_->write_all(bytes) : plain_.write_all(bytes); }
  // Leaves a record half sent where there is TLS: nothing else is written after it.
  size_t write_until_full() { return tls_ ? tls_->write_until_full() : plain_.write_until_full(); }
  std::string read(size_t count) {
    if (tls_) return tls_->read(count);
    return noting([&] { return plain_.read(count); });
  }
  std::string read_to_end() {
    if (tls_) return tls_->read_to_end();
    return noting([&] { return plain_.read_to_end(); });
  }
  // How the last read that was cut short ended: "end" in order, else the text of an error.
  std::string why() const {
    if (!tls_) return why_;
    return tls_->why() == "close_notify" ? "end" : tls_->why() == "end" ? "no close_notify" : tls_->why();
  }

  // Ends its half in order; it goes on reading.
  void shutdown_write() { tls_ ? tls_->shutdown_write() : plain_.shutdown_write(); }
  // Ends in order all that it can: both halves in the clear, its own with TLS, where a close would cut off what it has
  // not read.
  void end() { tls_ ? tls_->shutdown_write() : plain_.close(); }
  void close() { socket().close(); }
  void reset() { socket().reset(); }

 private:
  template <class Read>
  std::string noting(Read read) {
    try {
      why_ = "end";
      return read();
    } catch (const std::system_error& error) {
      why_ = error.code().message();
      return {};
    }
  }

  NativeSocket plain_;
  std::optional<NativeTls> tls_;
  std::string why_;
};

}  // namespace wasi_netd::test
