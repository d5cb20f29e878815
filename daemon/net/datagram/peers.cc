#include "daemon/net/datagram/peers.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <netinet/in.h>

namespace wasi_netd::net {
namespace {

// What a peer's queue may hold before it is accepted: any one datagram, or several small ones. And what all of those
// may hold together, in queues of a connection.
const uint64_t kWaitingPeer = DatagramQueue::cost(kMaxDatagram, policy::UnixEndpoint{});
constexpr uint64_t kWaitingQueues = 4;

struct RawAddress {
  std::array<uint8_t, 16> bytes{};
  uint16_t port = 0;
  uint32_t scope = 0;
};
RawAddress raw(const SocketAddress& from) {
  RawAddress out;
  if (from.storage.ss_family == AF_INET) {
    sockaddr_in ip;
    std::memcpy(&ip, &from.storage, sizeof ip);
    std::memcpy(out.bytes.data(), &ip.sin_addr, sizeof ip.sin_addr);
    out.port = ip.sin_port;
  } else {
    sockaddr_in6 ip;
    std::memcpy(&ip, &from.storage, sizeof ip);
    std::memcpy(out.bytes.data(), &ip.sin6_addr, sizeof ip.sin6_addr);
    out.port = ip.sin6_port;
    out.scope = ip.sin6_scope_id;
  }
  return out;
}

}  // namespace

PeerKey PeerKey::of(const SocketAddress& peer, const SocketAddress* local) {
  const RawAddress theirs = raw(peer);
  return {theirs.bytes, theirs.port, theirs.scope, local ? raw(*local).bytes : std::array<uint8_t, 16>{}};
}

DatagramPeers::DatagramPeers(std::shared_ptr<DatagramSocket> socket, policy::IpEndpoint local, size_t backlog,
                             DatagramOptions options)
    : socket_(std::move(socket)),
      local_(std::move(local)),
      backlog_(backlog),
      options_(std::move(options)),
      waiting_bytes_("peers that wait", kWaitingQueues * options_.queue_limit, options_.buffers),
      accepting_(socket_->loop()),
      silence_(socket_->loop()) {
  socket_->read_into(this);
}

bool DatagramPeers::has_room() const { return waiting_.size() < backlog_ && peers_.size() < options_.max_peers; }

void DatagramPeers::arrived(const Arrival& one) {
  const PeerKey key = PeerKey::of(one.from, one.local);
  if (const auto known = peers_.find(key); known != peers_.end()) {
    heard(*known->second);
    known->second->take(one.data, one.truncated);
  } else if (listening_ && !refused_.contains(key)) {
    if (has_room()) {
      add(key, one);
    } else {
      ++dropped_;
    }
  }
}

void DatagramPeers::add(const PeerKey& key, const Arrival& first) {
  policy::IpEndpoint local = local_;
  if (first.local) local.address = std::get<policy::IpEndpoint>(endpoint_of(*first.local)).address;
  auto peer = std::make_shared<DatagramPeer>(shared_from_this(), key, first, std::move(local),
                                             std::min(options_.queue_limit, kWaitingPeer), &waiting_bytes_);
  peer->heard_ = Clock::now();
  peer->silence_ = by_silence_.insert(by_silence_.end(), peer.get());
  peers_.emplace(key, peer.get());
  peer->take(first.data, first.truncated);
  if (peer->queue().empty()) {  // no memory for it: as if it had not come
    ++dropped_;
    return;
  }
  waiting_.push_back(std::move(peer));
  accepting_.wake_all();
  arm();
}

void DatagramPeers::failed(const SocketAddress* address, int error) {
  if (!address) return;
  // The answer does not say which of our addresses it was sent to.
  const PeerKey from = PeerKey::of(*address, nullptr);
  for (auto one = peers_.lower_bound(from); one != peers_.end() && one->first.same_peer(from); ++one) {
    one->second->take_error(error);
  }
}

std::shared_ptr<DatagramPeer> DatagramPeers::accept_now() {
  if (waiting_.empty()) return nullptr;
  auto peer = std::move(waiting_.front());
  waiting_.pop_front();
  peer->queue().move_to(options_.queue_limit, options_.buffers);
  return peer;
}

void DatagramPeers::close_listener() {
  if (!std::exchange(listening_, false)) return;
  for (const auto& peer : std::exchange(waiting_, {})) peer->close();
  refused_.clear();
  refusals_.clear();
  accepting_.wake_all();
  close_if_done();
}

void DatagramPeers::close_if_done() {
  if (listening_ || !peers_.empty()) return;
  silence_.cancel();
  socket_->close();
}

void DatagramPeers::heard(DatagramPeer& peer) {
  peer.heard_ = Clock::now();
  by_silence_.splice(by_silence_.end(), by_silence_, peer.silence_);
}

void DatagramPeers::sent(DatagramPeer& peer) {
  if (peer.known_) heard(peer);
}

void DatagramPeers::left(DatagramPeer& peer, bool refused) {
  if (!std::exchange(peer.known_, false)) return;
  by_silence_.erase(peer.silence_);
  peers_.erase(peer.key_);
  if (refused && listening_) keep_out(peer.key_);
  close_if_done();
}

void DatagramPeers::keep_out(const PeerKey& key) {
  if (refusals_.size() >= options_.max_peers && !refusals_.empty()) {
    refused_.erase(refusals_.front().key);
    refusals_.pop_front();
  }
  refused_.insert(key);
  refusals_.push_back({key, Clock::now() + options_.idle_timeout});
  arm();
}

void DatagramPeers::arm() {
  if (armed_ || (by_silence_.empty() && refusals_.empty())) return;
  auto next = Clock::time_point::max();
  if (!by_silence_.empty()) next = by_silence_.front()->heard_ + options_.idle_timeout;
  if (!refusals_.empty()) next = std::min(next, refusals_.front().until);
  armed_ = true;
  silence_.expires_at(next);
  // Not a share: the connections and the listener decide how long this lives.
  silence_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    const auto self = weak.lock();
    if (!self) return;
    self->armed_ = false;
    if (!ec) self->expire();
  });
}

void DatagramPeers::expire() {
  socket_->read_now();  // a loop that was busy may find its peers' datagrams after this timer
  const auto now = Clock::now();
  while (!refusals_.empty() && refusals_.front().until <= now) {
    refused_.erase(refusals_.front().key);
    refusals_.pop_front();
  }
  while (!by_silence_.empty() && by_silence_.front()->heard_ + options_.idle_timeout <= now) {
    DatagramPeer& peer = *by_silence_.front();
    // One that waits has nobody else to hold it.
    const auto waits = std::ranges::find(waiting_, &peer, &std::shared_ptr<DatagramPeer>::get);
    peer.end();
    if (waits != waiting_.end()) waiting_.erase(waits);
  }
  arm();
}

DatagramPeer::DatagramPeer(std::shared_ptr<DatagramPeers> peers, const PeerKey& key, const Arrival& first,
                           Endpoint local, uint64_t queue_limit, Quota* buffers)
    : DatagramStream(peers->socket(), std::move(local), endpoint_of(first.from), queue_limit, buffers),
      peers_(std::move(peers)),
      key_(key),
      to_(first.from) {
  if (first.local) from_ = *first.local;
}

SendOutcome DatagramPeer::send(std::span<const std::string_view> datagrams) {
  std::array<Outgoing, kSendBatch> out;
  const size_t count = std::min(datagrams.size(), out.size());
  for (size_t i = 0; i < count; ++i) out[i] = {datagrams[i], &to_, from_ ? &*from_ : nullptr};
  const SendOutcome outcome = socket().send(std::span(out).first(count));
  if (outcome.sent > 0) peers_->sent(*this);
  return outcome;
}

void DatagramPeer::refuse() {
  refused_ = true;
  close();
}

void DatagramPeer::leave() { peers_->left(*this, refused_); }

void DatagramPeer::end() {
  end_reading();
  end_writing();
  leave();
}

}  // namespace wasi_netd::net
