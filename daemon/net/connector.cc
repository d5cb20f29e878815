#include "daemon/net/connector.h"

#include <cerrno>
#include <utility>

namespace wasi_netd::net {

void Connector::close() {
  if (std::exchange(closed_, true)) return;
  path_.remove();
  fd_.reset();
  boost::system::error_code ignored;
  if (socket_) socket_->close(ignored);
}

Error Connector::failed(int error) const { return system_error(error, "connect " + policy::to_string(target_)); }

Task<Result<std::shared_ptr<StreamSocket>>> Connector::run_task(Self self) {
  auto outcome = co_await attempt_task(self);
  if (!outcome) self->close();
  co_return outcome;
}

Task<Result<std::shared_ptr<StreamSocket>>> Connector::attempt_task(Self self) {
  if (self->closed_) co_return canceled();
  if (!self->fd_.valid()) {
    auto opened = open_socket(self->target_);
    if (!opened) co_return opened.error();
    self->fd_ = std::move(*opened);
  }
  SocketAddress address;
  int error;
  const auto* unix_target = std::get_if<policy::UnixEndpoint>(&self->target_);
  if (unix_target) {
    error = self->connect_unix(*unix_target);
  } else {
    auto converted = ip_address(std::get<policy::IpEndpoint>(self->target_));
    if (!converted) co_return converted.error();
    address = *converted;
    error = self->connect_ip(address);
  }
  if (error != 0 && error != EINPROGRESS) co_return self->failed(error);

  // Only now: a socket that is not connecting yet polls as hung up, and that event would end the wait below too early.
  auto attached = attach(self->loop_, self->fd_);
  if (!attached) co_return attached.error();
  self->socket_.emplace(std::move(*attached));
  while (error != 0) {
    auto [ec] = co_await self->socket_->async_wait(Socket::wait_write, kTuple);
    if (self->closed_) co_return canceled();
    if (ec) co_return system_error(ec, "wait");
    error = self->connect_ip(address);
    if (error != 0 && error != EINPROGRESS) co_return self->failed(error);
  }
  co_return self->connected();
}

int Connector::connect_ip(const SocketAddress& address) {
  int fd = socket_ ? socket_->native_handle() : fd_.get();
  if (::connect(fd, address.get(), address.size) == 0) return 0;
  switch (errno) {
    case EISCONN:
      return 0;
    case EALREADY:
    case EINTR:
      return EINPROGRESS;
    default:
      return errno;
  }
}

int Connector::connect_unix(const policy::UnixEndpoint& target) {
  int error;
  if (target.abstract) {
    auto address = unix_address(target.name, true);
    if (!address) return ENAMETOOLONG;
    error = ::connect(fd_.get(), address->get(), address->size) == 0 ? 0 : errno;
  } else {
    error = target.name.empty() ? EINVAL : connect_path(fd_.get(), target.name);
  }
  return error == EAGAIN ? ECONNREFUSED : error;
}

Result<std::shared_ptr<StreamSocket>> Connector::connected() {
  Endpoint peer = target_;
  if (std::holds_alternative<policy::IpEndpoint>(target_)) {
    auto local = local_address(socket_->native_handle());
    if (!local) return local.error();
    // Not the target: 0.0.0.0 reaches 127.0.0.1.
    auto reached = peer_address(socket_->native_handle());
    if (!reached) return reached.error();
    if (same_ip_and_port(*local, *reached)) return failed(ECONNREFUSED);
    local_ = endpoint_of(*local);
    peer = endpoint_of(*reached);
  }
  auto connection = std::make_shared<StreamSocket>(std::move(*socket_), local_, std::move(peer), std::move(path_));
  socket_.reset();
  return connection;
}

}  // namespace wasi_netd::net
