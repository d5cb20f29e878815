#include "daemon/broker/peers.h"

#include <algorithm>

namespace wasi_netd::broker {

Peers::Added Peers::add(const std::string& peer, const std::string& note, Time now) {
  if (const auto known = peers_.find(peer); known != peers_.end()) {
    Peer& entry = known->second;
    const bool is_known = now - entry.since < kRemembered && entry.note == note;
    entry.since = now;
    entry.note = note;
    oldest_first_.splice(oldest_first_.end(), oldest_first_, entry.place);
    return is_known ? Added::kKnown : Added::kNew;
  }
  while (!peers_.empty() && (peers_.size() >= most_ || now - peers_.at(oldest_first_.front()).since >= kRemembered)) {
    forget_oldest();
  }
  auto charge = buffers_.charge(kEntry);
  if (!charge && !peers_.empty()) {
    forget_oldest();
    charge = buffers_.charge(kEntry);
  }
  if (!charge) return Added::kFull;
  const auto place = oldest_first_.insert(oldest_first_.end(), peer);
  peers_.emplace(peer, Peer{note, now, std::move(*charge), place});
  return Added::kNew;
}

bool Peers::knows(const std::string& peer, Time now) const {
  const auto known = peers_.find(peer);
  return known != peers_.end() && now - known->second.since < kRemembered;
}

void Peers::forget_oldest() {
  peers_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

std::optional<uint64_t> RecordRate::take(Peers::Time now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - refilled_);
  if (seconds.count() > 0) {
    tokens_ = std::min(kBurst, tokens_ + static_cast<uint64_t>(seconds.count()));
    refilled_ = now;
  }
  if (tokens_ == 0) {
    ++left_out_;
    return std::nullopt;
  }
  --tokens_;
  return std::exchange(left_out_, 0);
}

}  // namespace wasi_netd::broker
