#include "daemon/base/quota.h"

namespace wasi_netd {

void Charge::release() {
  if (!quota_) return;
  std::exchange(quota_, nullptr)->give_back(std::exchange(amount_, 0));
}

std::optional<Charge> Quota::charge(uint64_t amount) {
  for (Quota* quota = this; quota; quota = quota->parent_) {
    if (quota->used_ > quota->limit_ || amount > quota->limit_ - quota->used_) return std::nullopt;
  }
  for (Quota* quota = this; quota; quota = quota->parent_) quota->used_ += amount;
  return Charge(this, amount);
}

Quota::Waiter::Wait::~Wait() {
  if (waits) quota.top().waiting_.erase(place);
}

Quota::Waiter Quota::when_room(uint64_t amount, std::function<void(Charge)> take) {
  std::list<Waiter::Wait*>& waiting = top().waiting_;
  Waiter waiter;
  waiter.wait_.reset(new Waiter::Wait{*this, amount, std::move(take), waiting.end()});
  waiter.wait_->place = waiting.insert(waiting.end(), waiter.wait_.get());
  return waiter;
}

void Quota::serve() {
  for (auto next = waiting_.begin(); next != waiting_.end() && used_ < limit_;) {
    Waiter::Wait& wait = **next++;
    auto charge = wait.quota.charge(wait.amount);
    if (!charge) continue;
    waiting_.erase(wait.place);
    wait.waits = false;
    wait.take(std::move(*charge));
  }
}

void Quota::give_back(uint64_t amount) {
  for (Quota* quota = this; quota; quota = quota->parent_) {
    WASI_NETD_CHECK(quota->used_ >= amount, quota->name_ + " gives back more than was charged");
    quota->used_ -= amount;
  }
  top().serve();
}

}  // namespace wasi_netd
