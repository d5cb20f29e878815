#include "daemon/net/datagram/queue.h"

#include <utility>

namespace wasi_netd::net {
namespace {

// A block of its own on the heap, with the allocator's share, where a string does not hold its bytes itself.
constexpr size_t kInPlace = 15;
constexpr uint64_t kBlock = 32;
uint64_t heap_of(size_t bytes) { return bytes > kInPlace ? bytes + kBlock : 0; }

uint64_t heap_of(const Endpoint& peer) {
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&peer)) return heap_of(ip->address.zone.size());
  if (const auto* name = std::get_if<policy::UnixEndpoint>(&peer)) return heap_of(name->name.size());
  return heap_of(std::get<policy::NameEndpoint>(peer).name.size());
}

}  // namespace

uint64_t DatagramQueue::cost(size_t data, const Endpoint& peer) {
  return sizeof(Waiting) + heap_of(data) + heap_of(peer);
}

bool DatagramQueue::charge(uint64_t cost, Charge& out) const {
  if (!buffers_) return true;
  auto charged = buffers_->charge(cost);
  if (charged) out = std::move(*charged);
  return charged.has_value();
}

bool DatagramQueue::push(std::string_view data, const Endpoint& peer, bool truncated) {
  const uint64_t needed = cost(data.size(), peer);
  Charge charged;
  if (!make_room(needed, charged)) {
    ++dropped_;
    return false;
  }
  bytes_ += needed;
  waiting_.push_back({{std::string(data), peer, truncated}, needed, std::move(charged)});
  return true;
}

bool DatagramQueue::make_room(uint64_t needed, Charge& out) {
  if (needed > limit_) return false;
  while (bytes_ + needed > limit_) drop_oldest();
  if (charge(needed, out)) return true;
  if (bytes_ < needed) return false;
  while (!waiting_.empty()) {
    drop_oldest();
    if (charge(needed, out)) return true;
  }
  return false;
}

Datagram DatagramQueue::pop() {
  WASI_NETD_CHECK(!waiting_.empty(), "an empty queue");
  Datagram out = std::move(waiting_.front().datagram);
  bytes_ -= waiting_.front().cost;
  waiting_.pop_front();
  return out;
}

void DatagramQueue::drop_oldest() {
  bytes_ -= waiting_.front().cost;
  waiting_.pop_front();
  ++dropped_;
}

void DatagramQueue::clear() {
  waiting_.clear();
  bytes_ = 0;
}

void DatagramQueue::move_to(uint64_t limit, Quota* buffers) {
  limit_ = limit;
  buffers_ = buffers;
  for (auto& one : waiting_) one.charge.release();
  std::deque<Waiting> before = std::exchange(waiting_, {});
  bytes_ = 0;
  for (auto& one : before) {
    if (bytes_ + one.cost <= limit_ && charge(one.cost, one.charge)) {
      bytes_ += one.cost;
      waiting_.push_back(std::move(one));
    } else {
      ++dropped_;
    }
  }
}

}  // namespace wasi_netd::net
