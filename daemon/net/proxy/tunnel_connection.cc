#include "daemon/net/proxy/tunnel_connection.h"

#include <utility>

namespace wasi_netd::net {

TunnelConnection::TunnelConnection(std::shared_ptr<Connection> to_proxy, std::shared_ptr<Stream> stream,
                                   Endpoint target, std::string early)
    : to_proxy_(std::move(to_proxy)),
      stream_(std::move(stream)),
      target_(std::move(target)),
      early_(std::move(early)) {}

Result<std::shared_ptr<Stream>> TunnelConnection::take_stream() {
  if (std::exchange(stream_taken_, true)) return Error{Errno::notsup, "a tunnel has one stream"};
  if (has_early()) return std::shared_ptr<Stream>(shared_from_this());
  return stream_;
}

void TunnelConnection::abort() {
  drop_early();
  to_proxy_->abort();
}

Task<void> TunnelConnection::finish(std::chrono::milliseconds linger) {
  drop_early();
  return to_proxy_->finish(linger);
}

Result<size_t> TunnelConnection::read_now(asio::mutable_buffer buffer) {
  if (has_early()) return take_early(buffer);
  return stream_->read_now(buffer);
}

Task<Result<size_t>> TunnelConnection::read_some(asio::mutable_buffer buffer) {
  if (has_early()) return read_task(shared_from_this(), buffer);
  return stream_->read_some(buffer);
}
Task<Result<size_t>> TunnelConnection::read_task(Self self, asio::mutable_buffer buffer) {
  // abort() may have come since the call.
  if (self->has_early()) co_return self->take_early(buffer);
  co_return co_await self->stream_->read_some(buffer);
}

Task<Status> TunnelConnection::wait_readable() {
  if (has_early()) return readable_task(shared_from_this());
  return stream_->wait_readable();
}
Task<Status> TunnelConnection::readable_task(Self self) {
  if (self->has_early()) co_return Status();
  co_return co_await self->stream_->wait_readable();
}

size_t TunnelConnection::take_early(asio::mutable_buffer buffer) {
  const size_t n = asio::buffer_copy(buffer, asio::buffer(early_) + early_at_);
  early_at_ += n;
  if (!has_early()) drop_early();
  return n;
}

void TunnelConnection::drop_early() {
  std::string().swap(early_);
  early_at_ = 0;
}

}  // namespace wasi_netd::net
