#include "daemon/net/datagram/connected.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>

namespace wasi_netd::net {
namespace {

Status connect_to(int fd, const Endpoint& target) {
  if (std::holds_alternative<policy::NameEndpoint>(target)) return Error{Errno::inval, "a name is no socket address"};
  const auto* unix_target = std::get_if<policy::UnixEndpoint>(&target);
  if (unix_target && !unix_target->abstract) {
    const int error = unix_target->name.empty() ? EINVAL : connect_path(fd, unix_target->name);
    return error == 0 ? Status() : system_error(error, "unix");
  }
  auto address = unix_target ? unix_address(unix_target->name, true) : ip_address(std::get<policy::IpEndpoint>(target));
  if (!address) return address.error();
  // The policy has let it: only a rule for that very address does.
  const int on = 1;
  if (is_limited_broadcast(*address)) ::setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  if (::connect(fd, address->get(), address->size) != 0) return system_error(errno, "socket");
  return Status();
}

struct Ends {
  Endpoint local, peer;
  SocketAddress peer_address;
};
Result<Ends> ends_of(int fd, Endpoint local, const Endpoint& target) {
  auto peer = peer_address(fd);
  if (!peer) return peer.error();
  if (!std::holds_alternative<policy::IpEndpoint>(target)) return Ends{std::move(local), target, *peer};
  auto own = local_address(fd);
  if (!own) return own.error();
  if (same_ip_and_port(*own, *peer)) return system_error(ECONNREFUSED, "itself");
  return Ends{endpoint_of(*own), endpoint_of(*peer), *peer};  // not the target: 0.0.0.0 reaches 127.0.0.1
}

bool same_address(const SocketAddress& a, const SocketAddress& b) {
  if (a.storage.ss_family != AF_UNIX) return same_ip_and_port(a, b);
  return a.size == b.size && std::memcmp(&a.storage, &b.storage, a.size) == 0;
}

}  // namespace

Result<std::shared_ptr<ConnectedDatagrams>> ConnectedDatagrams::connect(std::shared_ptr<DatagramSocket> socket,
                                                                        Endpoint local, const Endpoint& target,
                                                                        BoundPath path,
                                                                        const DatagramOptions& options) {
  const Status done = connect_to(socket->fd(), target);
  auto ends = done ? ends_of(socket->fd(), std::move(local), target) : Result<Ends>(done.error());
  if (ends) {
    return std::make_shared<ConnectedDatagrams>(std::move(socket), std::move(ends->local), ends->peer_address,
                                                std::move(ends->peer), std::move(path), options);
  }
  path.remove();
  socket->close();
  return Error{ends.error().code, "connect " + policy::to_string(target) + ": " + ends.error().detail};
}

ConnectedDatagrams::ConnectedDatagrams(std::shared_ptr<DatagramSocket> shared, Endpoint local,
                                       const SocketAddress& peer, Endpoint peer_endpoint, BoundPath path,
                                       const DatagramOptions& options)
    : DatagramStream(std::move(shared), std::move(local), std::move(peer_endpoint), options.queue_limit,
                     options.buffers),
      peer_(peer),
      path_(std::move(path)) {
  socket().read_into(this);
  socket().start();
}

// Before it was connected the kernel may have taken in datagrams of others.
void ConnectedDatagrams::arrived(const Arrival& one) {
  if (same_address(one.from, peer_)) take(one.data, one.truncated);
}

void ConnectedDatagrams::failed(const SocketAddress*, int error) { take_error(error); }

SendOutcome ConnectedDatagrams::send(std::span<const std::string_view> datagrams) {
  std::array<Outgoing, kSendBatch> out;
  const size_t count = std::min(datagrams.size(), out.size());
  for (size_t i = 0; i < count; ++i) out[i].data = datagrams[i];
  return socket().send(std::span(out).first(count));
}

// What UDP brings later the kernel drops by itself when its buffer is full, and a Unix peer is told. The queue's bound
// is one for what is there now, too.
void ConnectedDatagrams::stop_reading() {
  socket().read_rest();
  socket().stop();
  if (peer_.storage.ss_family == AF_UNIX) ::shutdown(socket().fd(), SHUT_RD);
}

void ConnectedDatagrams::leave() {
  path_.remove();
  socket().close();
}

}  // namespace wasi_netd::net
