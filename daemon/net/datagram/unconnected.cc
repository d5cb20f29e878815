#include "daemon/net/datagram/unconnected.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "daemon/net/datagram/connected.h"
#include "daemon/net/datagram/listener.h"

namespace wasi_netd::net {
namespace {

// Peers whose errors wait to be told; of further ones the oldest is forgotten.
constexpr size_t kMaxFailed = 16;

// Whether a socket at one of them can reach the other at all.
bool same_kind(const Endpoint& a, const Endpoint& b) {
  const auto* x = std::get_if<policy::IpEndpoint>(&a);
  const auto* y = std::get_if<policy::IpEndpoint>(&b);
  return x && y ? x->address.family == y->address.family : a.index() == b.index();
}

// Where a datagram goes, as the kernel wants it.
struct Target {
  SocketAddress address;
  ReachedPath path;  // holds a Unix path's place open
};

Result<Target> target_of(const Endpoint& peer) {
  Target out;
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&peer)) {
    auto address = ip_address(*ip);
    if (!address) return address.error();
    out.address = *address;
    return out;
  }
  const auto& name = std::get<policy::UnixEndpoint>(peer);
  if (name.abstract) {
    auto address = unix_address(name.name, true);
    if (!address) return address.error();
    out.address = *address;
    return out;
  }
  if (name.name.empty()) return Error{Errno::destaddrreq, "send to nobody"};
  int error = 0;
  out.path = reach_path(name.name, error);
  if (error != 0) return system_error(error, "send to " + name.name);
  out.address = out.path.address;
  return out;
}

}  // namespace

UnconnectedDatagrams::UnconnectedDatagrams(std::shared_ptr<DatagramSocket> socket, Endpoint local, BoundPath path,
                                           DatagramOptions options)
    : socket_(std::move(socket)),
      local_(std::move(local)),
      path_(std::move(path)),
      options_(std::move(options)),
      queue_(options_.queue_limit, options_.buffers),
      readable_(socket_->loop()) {
  socket_->read_into(this);
}

Error UnconnectedDatagrams::used_up() const {
  return closed_ ? canceled() : Error{Errno::inval, "this bound socket was used"};
}

std::shared_ptr<DatagramSocket> UnconnectedDatagrams::give_up() {
  socket_->read_into(nullptr);
  socket_->writable().wake_all();
  readable_.wake_all();
  room_.reset();
  return std::exchange(socket_, nullptr);
}

void UnconnectedDatagrams::close() {
  if (std::exchange(closed_, true)) return;
  queue_.clear();
  path_.remove();
  if (socket_) give_up()->close();
}

Result<std::shared_ptr<Listener>> UnconnectedDatagrams::listen(int backlog) {
  if (!socket_) return used_up();
  if (!std::holds_alternative<policy::IpEndpoint>(local_)) {
    return Error{Errno::notsup, "unix datagrams come without a connection"};
  }
  queue_.clear();
  return std::shared_ptr<Listener>(DatagramListener::make(give_up(), local_, backlog, options_));
}

Task<Result<std::shared_ptr<Connection>>> UnconnectedDatagrams::connect(Endpoint target) {
  return connect_task(shared_from_this(), std::move(target));
}
Task<Result<std::shared_ptr<Connection>>> UnconnectedDatagrams::connect_task(Self self, Endpoint target) {
  co_return self->connect_now(target);
}

Result<std::shared_ptr<Connection>> UnconnectedDatagrams::connect_now(const Endpoint& target) {
  if (!socket_) return used_up();
  if (!same_kind(target, local_)) return Error{Errno::afnosupport, "another kind of address"};
  auto socket = give_up();
  if (std::holds_alternative<policy::IpEndpoint>(local_)) {
    (void)socket->tell_peers(false);
    int ignored = 0;
    socklen_t size = sizeof ignored;
    ::getsockopt(socket->fd(), SOL_SOCKET, SO_ERROR, &ignored, &size);  // of another peer, maybe
  }
  auto connected = ConnectedDatagrams::connect(std::move(socket), local_, target, std::move(path_), options_);
  if (!connected) {
    queue_.clear();
    return connected.error();
  }
  while (!queue_.empty()) {
    const Datagram earlier = queue_.pop();
    if (earlier.peer == (*connected)->peer_endpoint()) (*connected)->take_earlier(earlier);
  }
  return std::shared_ptr<Connection>(std::move(*connected));
}

void UnconnectedDatagrams::begin_to_read() {
  if (!std::exchange(reads_, true)) socket_->start();
}

void UnconnectedDatagrams::arrived(const Arrival& one) {
  const Endpoint peer = endpoint_of(one.from);
  if (options_.admit && !options_.admit(peer)) return;
  if (role_ == Role::kFresh) role_ = Role::kAnybody;
  if (queue_.push(one.data, peer, one.truncated)) readable_.wake_all();
}

void UnconnectedDatagrams::failed(const SocketAddress* address, int error) {
  if (!address) return;
  Endpoint peer = endpoint_of(*address);
  std::erase_if(failed_, [&](const Failed& one) { return one.peer == peer; });
  if (failed_.size() == kMaxFailed) failed_.pop_front();
  if (role_ == Role::kClient && peer == server_) readable_.wake_all();
  failed_.push_back({std::move(peer), error});
}

std::optional<Error> UnconnectedDatagrams::error_of(const Endpoint& peer) {
  const auto found = std::ranges::find(failed_, peer, &Failed::peer);
  if (found == failed_.end()) return std::nullopt;
  Error out = system_error(found->error, "from the network");
  failed_.erase(found);
  return out;
}

Result<Datagram> UnconnectedDatagrams::receive_now(size_t limit) {
  if (!socket_) return used_up();
  begin_to_read();
  if (queue_.empty()) socket_->read_now();
  if (queue_.empty()) {
    if (role_ == Role::kClient) {
      if (auto error = error_of(server_)) return *error;
    }
    return Error{Errno::again, {}};
  }
  Datagram out = queue_.pop();
  if (out.data.size() > limit) {
    out.data.resize(limit);
    out.truncated = true;
  }
  return out;
}

Task<Status> UnconnectedDatagrams::wait_readable() { return readable_task(shared_from_this()); }
Task<Status> UnconnectedDatagrams::readable_task(Self self) {
  if (!self->socket_) co_return self->used_up();
  self->begin_to_read();
  for (;;) {
    if (!self->socket_) co_return canceled();
    const bool failed = self->role_ == Role::kClient &&
                        std::ranges::find(self->failed_, self->server_, &Failed::peer) != self->failed_.end();
    if (failed || !self->queue_.empty()) co_return Status();
    (void)co_await self->readable_.wait();
  }
}

Status UnconnectedDatagrams::send_now(std::string_view data, const Endpoint& peer) {
  const std::array<OutgoingDatagram, 1> one = {OutgoingDatagram{data, peer}};
  const auto sent = send_batch_now(one);
  return sent ? Status() : Status(sent.error());
}

Result<size_t> UnconnectedDatagrams::send_batch_now(std::span<const OutgoingDatagram> datagrams) {
  if (!socket_) return used_up();
  if (datagrams.empty()) return size_t{0};
  return send_prefix(datagrams.first(std::min(datagrams.size(), kSendBatch)));
}

// What cannot be sent with the others ends the prefix, and is found again as the first of the next.
Result<size_t> UnconnectedDatagrams::send_prefix(std::span<const OutgoingDatagram> datagrams) {
  std::array<std::optional<Target>, kSendBatch> targets;
  std::array<Outgoing, kSendBatch> out;
  size_t count = 0;
  bool broadcast = false;
  for (; count < datagrams.size() && !broadcast; ++count) {
    const OutgoingDatagram& one = datagrams[count];
    std::optional<Error> refused;
    if (!same_kind(one.peer, local_)) {
      refused = Error{Errno::afnosupport, "another kind of address"};
    } else if (one.data.size() > kMaxDatagram) {
      refused = system_error(EMSGSIZE, "send");
    } else if (count == 0) {
      refused = error_of(one.peer);
    } else if (std::ranges::find(failed_, one.peer, &Failed::peer) != failed_.end()) {
      break;
    }
    if (!refused) {
      auto target = target_of(one.peer);
      if (target) {
        targets[count] = std::move(*target);
      } else {
        refused = target.error();
      }
    }
    if (refused && count == 0) return *refused;
    if (refused) break;
    if (is_limited_broadcast(targets[count]->address)) {
      if (count > 0) break;
      broadcast = true;
    }
    out[count] = {one.data, &targets[count]->address};
  }
  // The policy has let the broadcast: only a rule for that very address does. A network's own broadcast address looks
  // like any other to it, and must not profit.
  if (broadcast) socket_->allow_broadcast(true);
  const SendOutcome outcome = socket_->send(std::span(out).first(count));
  if (broadcast) socket_->allow_broadcast(false);

  for (size_t i = 0; i < std::max<size_t>(outcome.sent, 1); ++i) sent_to(datagrams[i].peer);
  if (outcome.sent > 0) {
    if (std::exchange(blocked_, Blocked::kNo) == Blocked::kAtPeer) socket_->writable().wake_all();
    room_.reset();
    return outcome.sent;
  }
  if (outcome.error != EAGAIN) return system_error(outcome.error, "send");
  room_.reset();
  blocked_ = Blocked::kHere;
  if (const auto* peer = std::get_if<policy::UnixEndpoint>(&datagrams.front().peer)) {
    blocked_ = Blocked::kAtPeer;
    full_peer_ = *peer;
    socket_->writable().wake_all();
  }
  return Error{Errno::again, {}};
}

void UnconnectedDatagrams::sent_to(const Endpoint& peer) {
  if (role_ == Role::kFresh) {
    role_ = Role::kClient;
    server_ = peer;
  } else if (role_ == Role::kClient && peer != server_) {
    role_ = Role::kAnybody;
  }
}

Task<Status> UnconnectedDatagrams::wait_writable() { return writable_task(shared_from_this()); }
Task<Status> UnconnectedDatagrams::writable_task(Self self) {
  const auto socket = self->socket_;
  if (!socket) co_return self->used_up();
  for (;;) {
    if (!self->socket_) co_return canceled();
    if (self->blocked_ == Blocked::kAtPeer) {
      if (Status watched = self->watch_room(); !watched) co_return watched;
    }
    if (self->blocked_ == Blocked::kHere && !socket->full()) self->blocked_ = Blocked::kNo;
    if (self->blocked_ == Blocked::kNo) co_return Status();
    (void)co_await socket->writable().wait();
  }
}

Status UnconnectedDatagrams::watch_room() {
  if (room_) return Status();
  const std::weak_ptr<UnconnectedDatagrams> weak = weak_from_this();
  auto room = UnixRoom::wait(socket_->loop(), full_peer_, [weak] {
    const auto self = weak.lock();
    if (!self || !self->socket_) return;
    self->blocked_ = Blocked::kNo;
    self->room_.reset();
    self->socket_->writable().wake_all();
  });
  if (!room) return room.error();
  room_ = std::move(*room);
  // Then it was this socket's own buffer that had none.
  if (!room_) blocked_ = Blocked::kHere;
  return Status();
}

Status UnconnectedDatagrams::set_option(Option option, uint32_t value) {
  if (!socket_) return used_up();
  return socket_->set_option(option, value);
}

Result<uint32_t> UnconnectedDatagrams::get_option(Option option) const {
  if (!socket_) return used_up();
  return socket_->get_option(option);
}

}  // namespace wasi_netd::net
