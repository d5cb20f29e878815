#include "daemon/net/stream_socket.h"

#include <array>
#include <cerrno>
#include <limits>
#include <poll.h>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "daemon/base/event.h"

namespace wasi_netd::net {
namespace {

// The kernel lacked memory for this call; the connection is as it was.
bool is_passing(int error) { return error == ENOMEM || error == ENOBUFS || error == EINTR; }

// Without a text: it is the usual answer of a socket with nothing to do, and a text would be an allocation each time.
Error again() { return Error{Errno::again, {}}; }
bool is_again(const Result<size_t>& result) { return result.has_error() && result.error().code == Errno::again; }

struct OptionName {
  int level;
  int name;
  bool is_switch;
};
OptionName name_of(Option option) {
  switch (option) {
    case Option::kNodelay:
      return {IPPROTO_TCP, TCP_NODELAY, true};
    case Option::kKeepalive:
      return {SOL_SOCKET, SO_KEEPALIVE, true};
    case Option::kReceiveBuffer:
      return {SOL_SOCKET, SO_RCVBUF, false};
    case Option::kSendBuffer:
      return {SOL_SOCKET, SO_SNDBUF, false};
  }
  bug("option", __FILE__, __LINE__, std::to_string(static_cast<int>(option)));
}

// A Unix socket takes SO_KEEPALIVE and does nothing with it; nobody is helped by that success.
bool has_option(const Endpoint& socket, Option option) {
  bool of_tcp = option == Option::kNodelay || option == Option::kKeepalive;
  return !of_tcp || std::holds_alternative<policy::IpEndpoint>(socket);
}

}  // namespace

StreamSocket::StreamSocket(Socket socket, Endpoint local, Endpoint peer, BoundPath path)
    : socket_(std::move(socket)), local_(std::move(local)), peer_(std::move(peer)), path_(std::move(path)) {}

StreamSocket::~StreamSocket() { close(); }

Result<size_t> StreamSocket::settle_read(int error, size_t bytes, size_t wanted) {
  read_hint_.saw(error == 0 && bytes == wanted);
  if (error == 0 && bytes > 0) return bytes;
  if (closed_ || error == ECANCELED) return canceled();
  if (error == 0 && !failure_) {
    read_ended_ = true;
    disturb();
    return size_t{0};
  }
  if (is_passing(error)) {
    read_hint_.insist();
    return system_error(error, "read");
  }
  if (error == EAGAIN && !failure_) return again();
  if (!failure_) {
    failure_ = errno_from_system(error);
    disturb();
  }
  return Error{*failure_, "read: the connection is broken"};
}

Result<size_t> StreamSocket::settle_write(int error, size_t bytes, size_t wanted) {
  write_hint_.saw(error == 0 && bytes == wanted);
  if (error == 0) return bytes;
  if (closed_ || error == ECANCELED) return canceled();
  if (error == EAGAIN) return again();
  if (is_passing(error)) {
    write_hint_.insist();
    return system_error(error, "write");
  }
  write_ended_ = peer_gone_ = true;
  disturb();
  if (error == EPIPE) return system_error(error, "write");
  if (!failure_) failure_ = errno_from_system(error);
  // A writer learns `pipe` of a reset, whether it or the reader is the first to be told.
  return system_error(error == ECONNRESET ? EPIPE : error, "write");
}

Result<size_t> StreamSocket::read_now(asio::mutable_buffer buffer) {
  if (closed_) return canceled();
  if (read_ended_ || buffer.size() == 0) return size_t{0};
  ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
  return n < 0 ? settle_read(errno, 0, buffer.size()) : settle_read(0, static_cast<size_t>(n), buffer.size());
}

Result<size_t> StreamSocket::write_now(asio::const_buffer buffer) {
  if (closed_) return canceled();
  if (write_ended_) return system_error(EPIPE, "write");
  if (buffer.size() == 0) return size_t{0};
  ssize_t n = ::send(socket_.native_handle(), buffer.data(), buffer.size(), MSG_NOSIGNAL);
  return n < 0 ? settle_write(errno, 0, buffer.size()) : settle_write(0, static_cast<size_t>(n), buffer.size());
}

Task<Result<size_t>> StreamSocket::read_some(asio::mutable_buffer buffer) {
  return read_task(shared_from_this(), buffer);
}
Task<Result<size_t>> StreamSocket::read_task(Self self, asio::mutable_buffer buffer) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    // Asio would wait for an event after one that told of the end or an error; there is none to come.
    bool decided = self->closed_ || self->read_ended_ || self->failure_ || buffer.size() == 0;
    if (decided || self->read_hint_.try_at_once()) {
      Result<size_t> now = self->read_now(buffer);
      if (!is_again(now)) co_return now;
    }
    auto [ec, n] = co_await self->socket_.async_receive(buffer, kTuple);
    if (!self->was_disturbed(ec, cancels)) co_return self->settle_read(errno_of(ec), n, buffer.size());
  }
}

Task<Result<size_t>> StreamSocket::write_some(asio::const_buffer buffer) {
  return write_task(shared_from_this(), buffer);
}
Task<Result<size_t>> StreamSocket::write_task(Self self, asio::const_buffer buffer) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    bool decided = self->closed_ || self->write_ended_ || buffer.size() == 0;
    if (decided || self->write_hint_.try_at_once()) {
      Result<size_t> now = self->write_now(buffer);
      if (!is_again(now)) co_return now;
    }
    auto [ec, n] = co_await self->socket_.async_send(buffer, kTuple);
    if (!self->was_disturbed(ec, cancels)) co_return self->settle_write(errno_of(ec), n, buffer.size());
  }
}

Task<Status> StreamSocket::wait_readable() { return readable_task(shared_from_this()); }
// Peeks instead of polling: asio tries that before it waits, needs no system call to arm it, and cannot wake up for a
// byte that was read meanwhile. A failure that only the peek is told of is kept for the read that follows.
Task<Status> StreamSocket::readable_task(Self self) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    if (self->closed_) co_return canceled();
    if (self->read_ended_ || self->failure_) co_return Status();
    char byte = 0;
    asio::mutable_buffer buffer(&byte, 1);
    auto [ec, n] = co_await self->socket_.async_receive(buffer, asio::socket_base::message_peek, kTuple);
    if (self->was_disturbed(ec, cancels)) continue;
    auto outcome = self->settle_read(errno_of(ec), n, buffer.size());
    if (outcome.has_error() && outcome.error().code == Errno::canceled) co_return canceled();
    co_return Status();
  }
}

Task<Status> StreamSocket::wait_writable() { return writable_task(shared_from_this()); }
Task<Status> StreamSocket::writable_task(Self self) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    if (self->closed_) co_return canceled();
    if (self->write_ended_) co_return Status();
    auto [ec] = co_await self->socket_.async_wait(Socket::wait_write, kTuple);
    if (self->closed_ || self->was_disturbed(ec, cancels)) continue;
    if (ec) co_return canceled();
    // The event may be older than a write made since.
    pollfd now = {self->socket_.native_handle(), POLLOUT, 0};
    if (::poll(&now, 1, 0) != 0) co_return Status();
  }
}

Status StreamSocket::shutdown_write() {
  if (closed_) return canceled();
  write_ended_ = true;
  disturb();
  return shut(SHUT_WR);
}
Status StreamSocket::shutdown_read() {
  if (closed_) return canceled();
  return shut(SHUT_RD);
}
void StreamSocket::cancel() {
  if (closed_) return;
  ++cancels_;
  disturb();
}
void StreamSocket::disturb() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}
bool StreamSocket::was_disturbed(const boost::system::error_code& ec, uint64_t cancels_before) const {
  return ec == asio::error::operation_aborted && !closed_ && cancels_ == cancels_before;
}
Status StreamSocket::shut(int how) {
  if (::shutdown(socket_.native_handle(), how) != 0) return system_error(errno, "shutdown");
  return Status();
}

Result<std::shared_ptr<Stream>> StreamSocket::take_stream() {
  if (std::exchange(stream_taken_, true)) return Error{Errno::notsup, "this transport has one stream"};
  return std::shared_ptr<Stream>(shared_from_this());
}

Status StreamSocket::set_option(Option option, uint32_t value) {
  if (closed_) return canceled();
  if (!has_option(local_, option)) return Error{Errno::noprotoopt, "not an option of this transport"};
  OptionName name = name_of(option);
  if (value > static_cast<uint32_t>(std::numeric_limits<int>::max())) return Error{Errno::inval, "option's value"};
  int number = name.is_switch ? (value != 0 ? 1 : 0) : static_cast<int>(value);
  if (::setsockopt(socket_.native_handle(), name.level, name.name, &number, sizeof number) != 0) {
    return system_error(errno, "setsockopt");
  }
  return Status();
}

Result<uint32_t> StreamSocket::get_option(Option option) const {
  if (closed_) return canceled();
  if (!has_option(local_, option)) return Error{Errno::noprotoopt, "not an option of this transport"};
  OptionName name = name_of(option);
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(socket_.native_handle(), name.level, name.name, &number, &size) != 0) {
    return system_error(errno, "getsockopt");
  }
  return static_cast<uint32_t>(number);
}

void StreamSocket::abort() { close(); }

void StreamSocket::close() {
  if (std::exchange(closed_, true)) return;
  path_.remove();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool StreamSocket::drain() {
  std::array<char, 16 * 1024> scratch;
  for (int round = 0; round < 16; ++round) {
    Result<size_t> n = read_now(asio::buffer(scratch));
    if (is_again(n)) return false;
    if (n.has_error() || *n == 0) return true;
  }
  return false;
}

Task<void> StreamSocket::finish(std::chrono::milliseconds linger) { return finish_task(shared_from_this(), linger); }
Task<void> StreamSocket::finish_task(Self self, std::chrono::milliseconds linger) {
  if (self->closed_) co_return;
  // From here on nothing takes back what was written, not even the end of this process.
  const struct linger deliver = {0, 0};
  ::setsockopt(self->socket_.native_handle(), SOL_SOCKET, SO_LINGER, &deliver, sizeof deliver);
  self->cancel();  // asio tells one reader only of the peer's end
  Status shut = self->shutdown_write();
  bool ended = shut.has_error() || self->drain();
  if (!ended && linger.count() > 0) {
    Timer limit(self->socket_.get_executor());
    limit.expires_after(linger);
    limit.async_wait([self](const boost::system::error_code& ec) {
      if (!ec) self->close();
    });
    while (!ended) {
      Status readable = co_await self->wait_readable();
      ended = readable.has_error() || self->drain();
    }
  }
  self->close();
}

}  // namespace wasi_netd::net
