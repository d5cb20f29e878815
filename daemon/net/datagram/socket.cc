#include "daemon/net/datagram/socket.h"

#include <cerrno>
#include <limits>
#include <utility>

#include <netinet/in.h>

namespace wasi_netd::net {
namespace {

// Batches per turn of the loop.
constexpr int kBatchesPerTurn = 4;
constexpr int kBatchesOfARest = 256;

Result<int> buffer_option(Option option) {
  if (option == Option::kReceiveBuffer) return SO_RCVBUF;
  if (option == Option::kSendBuffer) return SO_SNDBUF;
  return Error{Errno::noprotoopt, "not an option of datagrams"};
}

// What a call answers for a reason that lies in this host and passes.
bool is_passing(int error) { return error == EAGAIN || error == EINTR || error == ENOMEM || error == ENOBUFS; }

}  // namespace

Result<UniqueFd> open_datagram_socket(const Endpoint& what_for) {
  int family = AF_UNIX;
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&what_for)) {
    family = ip->address.family == policy::Family::kIpv4 ? AF_INET : AF_INET6;
  } else if (std::holds_alternative<policy::NameEndpoint>(what_for)) {
    return Error{Errno::inval, "a name is no socket address"};
  }
  UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return system_error(errno, "socket");
  const int on = 1;
  if (family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    return system_error(errno, "IPV6_V6ONLY");
  }
  return fd;
}

Result<std::shared_ptr<DatagramSocket>> DatagramSocket::make(Loop loop, UniqueFd fd) {
  auto socket = attach(loop, fd);
  if (!socket) return socket.error();
  return std::shared_ptr<DatagramSocket>(new DatagramSocket(loop, std::move(*socket)));
}

Status DatagramSocket::tell_peers(bool on) {
  int family = 0;
  socklen_t size = sizeof family;
  if (::getsockopt(fd(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return system_error(errno, "SO_DOMAIN");
  const int value = on ? 1 : 0;
  const int done = family == AF_INET6 ? ::setsockopt(fd(), IPPROTO_IPV6, IPV6_RECVERR, &value, sizeof value)
                                      : ::setsockopt(fd(), IPPROTO_IP, IP_RECVERR, &value, sizeof value);
  if (done != 0) return system_error(errno, "IP_RECVERR");
  tells_peers_ = on;
  return Status();
}

void DatagramSocket::allow_broadcast(bool on) {
  const int value = on ? 1 : 0;
  ::setsockopt(fd(), SOL_SOCKET, SO_BROADCAST, &value, sizeof value);
}

void DatagramSocket::start() {
  reading_ = true;
  if (!waiting_ && !closed_) wait_for_datagrams();
}

void DatagramSocket::wait_for_datagrams() {
  waiting_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const boost::system::error_code&) {
    self->waiting_ = false;
    if (self->closed_ || !self->reading_) return;
    Found found = self->read_batch();
    // An event without datagrams is about the error queue, which goes on telling until it is empty.
    if (found == Found::kNothing) self->take_errors();
    for (int batch = 1; found == Found::kMore && batch < kBatchesPerTurn; ++batch) found = self->read_batch();
    if (!self->closed_ && self->reading_) self->wait_for_datagrams();
  });
}

void DatagramSocket::read_now() {
  if (!closed_ && reading_) read_batch();
}

void DatagramSocket::read_rest() {
  for (int batch = 0; batch < kBatchesOfARest && !closed_ && reading_; ++batch) {
    if (read_batch() != Found::kMore) return;
  }
}

DatagramSocket::Found DatagramSocket::read_batch() {
  auto& buffers = ReceiveBuffers::of(loop_);
  const auto got = buffers.receive(fd());
  if (got.error == 0) {
    for (size_t i = 0; i < got.count && reader_; ++i) reader_->arrived(buffers.at(i));
    return got.count == kReceiveBatch ? Found::kMore : Found::kSome;
  }
  if (is_passing(got.error)) return Found::kNothing;
  if (tells_peers_) {
    take_errors();
  } else if (reader_) {
    reader_->failed(nullptr, got.error);
  }
  return Found::kMore;
}

bool DatagramSocket::take_errors() {
  if (!tells_peers_) return false;
  return take_peer_errors(fd(), [this](const SocketAddress& peer, int error) {
           if (reader_) reader_->failed(&peer, error);
         }) > 0;
}

// Where errors say whom they concern, one that fails a send may be about another peer: it is taken, and the send tried
// again. When there was none to take, what the send answers now is its own.
SendOutcome DatagramSocket::send(std::span<const Outgoing> datagrams) {
  SendOutcome out = send_batch(fd(), datagrams);
  bool is_own = !tells_peers_;
  for (int tries = 0; !is_own && out.error != 0 && !is_passing(out.error) && tries < 4; ++tries) {
    is_own = !take_errors();
    out = send_batch(fd(), datagrams);
  }
  if (!is_own && !is_passing(out.error) && out.error != 0)
    out.error = EAGAIN;  // errors come in faster than we take them
  if (out.error == EAGAIN && !std::exchange(full_, true)) wait_for_room();
  return out;
}

void DatagramSocket::wait_for_room() {
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const boost::system::error_code&) {
    self->full_ = false;
    self->writable_.wake_all();
  });
}

Status DatagramSocket::set_option(Option option, uint32_t value) {
  const auto name = buffer_option(option);
  if (!name) return name.error();
  if (value > static_cast<uint32_t>(std::numeric_limits<int>::max())) return Error{Errno::inval, "option's value"};
  const int number = static_cast<int>(value);
  if (::setsockopt(fd(), SOL_SOCKET, *name, &number, sizeof number) != 0) return system_error(errno, "setsockopt");
  return Status();
}

Result<uint32_t> DatagramSocket::get_option(Option option) const {
  const auto name = buffer_option(option);
  if (!name) return name.error();
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(fd(), SOL_SOCKET, *name, &number, &size) != 0) return system_error(errno, "getsockopt");
  return static_cast<uint32_t>(number);
}

void DatagramSocket::close() {
  if (std::exchange(closed_, true)) return;
  reader_ = nullptr;
  reading_ = false;
  boost::system::error_code ignored;
  socket_.close(ignored);
  writable_.wake_all();
}

}  // namespace wasi_netd::net
