#include "daemon/net/listener.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "daemon/net/stream_socket.h"

namespace wasi_netd::net {
namespace {

bool is_any_address(const Endpoint& endpoint) {
  const auto* ip = std::get_if<policy::IpEndpoint>(&endpoint);
  return ip && ip->address.is_unspecified();
}

// Nothing left to make a socket of; the peer stays in the backlog.
bool is_exhaustion(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS; }

// accept(2): Linux hands over errors that concern only the connection it took from the queue (aborted, refused by a
// firewall, a network error that was pending on it).
bool is_of_one_peer(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

// Each waiting peer is kernel memory; the system's own limit (net.core.somaxconn) may be lower.
constexpr int kDefaultBacklog = 128;
constexpr int kMaxBacklog = 4096;

}  // namespace

int backlog_of(int asked) { return asked <= 0 ? kDefaultBacklog : std::min(asked, kMaxBacklog); }

StreamListener::StreamListener(Socket socket, Endpoint local, BoundPath path)
    : socket_(std::move(socket)),
      local_(std::move(local)),
      any_local_(is_any_address(local_)),
      path_(std::move(path)) {}

StreamListener::~StreamListener() { close(); }

void StreamListener::close() {
  if (std::exchange(closed_, true)) return;
  path_.remove();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

Task<Result<std::shared_ptr<Connection>>> StreamListener::accept_task(std::shared_ptr<StreamListener> self) {
  bool at_once = self->hint_.try_at_once();
  for (;;) {
    if (self->closed_) co_return canceled();
    if (at_once) {
      auto accepted = self->accept_now();
      if (!accepted.has_error() || accepted.error().code != Errno::again) co_return accepted;
    }
    at_once = true;
    auto [ec] = co_await self->socket_.async_wait(Socket::wait_read, kTuple);
    if (self->closed_) co_return canceled();
    if (ec) co_return system_error(ec, "wait");
  }
}

Result<std::shared_ptr<Connection>> StreamListener::accept_now() {
  // Each error of a peer used that peer up; the bound is for a kernel or a filter that answers one for ever.
  int error = 0;
  for (int skipped = 0; skipped < 64; ++skipped) {
    SocketAddress peer;
    UniqueFd fd(::accept4(socket_.native_handle(), peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) return adopt(std::move(fd), peer);
    error = errno;
    if (error == EAGAIN) return Error{Errno::again, {}};
    if (is_exhaustion(error)) return Error{Errno::nfile, system_error(error, "accept").detail};
    if (!is_of_one_peer(error)) break;
  }
  return system_error(error, "accept");
}

Result<std::shared_ptr<Connection>> StreamListener::adopt(UniqueFd fd, const SocketAddress& peer) {
  Endpoint local = local_;
  if (any_local_) {
    auto own = local_address(fd.get());
    if (!own) return own.error();
    local = endpoint_of(*own);
  }
  auto socket = attach(socket_.get_executor(), fd);
  // The kernel's room for watching descriptors is used up, as good as the descriptors themselves.
  if (!socket) return Error{Errno::nfile, socket.error().detail};
  return std::shared_ptr<Connection>(
      std::make_shared<StreamSocket>(std::move(*socket), std::move(local), endpoint_of(peer), BoundPath()));
}

}  // namespace wasi_netd::net
