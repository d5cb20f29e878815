// How a TLS connection ends: at once, or with a close_notify behind its bytes.
#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "daemon/net/tls/stream.h"

namespace wasi_netd::net {

void TlsStream::abort() {
  if (std::exchange(over_, true)) return;
  closed_ = true;
  inner_->abort();
  changes_.tell();
}

Task<void> TlsStream::finish(std::chrono::milliseconds linger) { return finish_task(shared_from_this(), linger); }
Task<void> TlsStream::finish_task(Self self, std::chrono::milliseconds linger) {
  if (self->closed_) {
    while (!self->over_) co_await self->changes_.next();
    co_return;
  }
  self->cancel();
  (void)self->shutdown_write();
  self->closed_ = true;
  const auto deadline = std::chrono::steady_clock::now() + linger;
  if (self->bio_.has_output() && linger.count() > 0) {
    Timer limit(self->loop_);
    limit.expires_at(deadline);
    limit.async_wait([self](const boost::system::error_code& ec) {
      if (ec) return;
      self->bio_.drop_output();
      self->changes_.tell();
    });
    // A peer that sends before it reads takes our bytes only when we take its own.
    asio::co_spawn(self->loop_, drop_input_task(self->raw_), asio::detached);
    while (self->bio_.has_output() && !self->over_) co_await self->changes_.next();
  }
  if (self->over_) co_return;
  self->bio_.drop_output();
  auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  left = std::max(left, std::chrono::milliseconds(0));
  co_await self->inner_->finish(left);
  self->over_ = true;
  self->changes_.tell();
}

Task<void> TlsStream::drop_input_task(std::shared_ptr<Stream> raw) {
  std::vector<char> scratch(kRecord);
  for (;;) {
    const asio::mutable_buffer buffer = asio::buffer(scratch);
    auto n = co_await raw->read_some(buffer);
    if (!n || *n == 0) co_return;
  }
}

}  // namespace wasi_netd::net
