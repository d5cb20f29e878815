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

Quota::Waiter Quota::when_released(std::function<void()> retry) {
  // The waiter stands at the top: whatever is given back below also passes there.
  Quota* top = this;
  while (top->parent_) top = top->parent_;
  std::erase_if(top->waiting_, [](const auto& waiter) { return waiter.expired(); });
  Waiter waiter;
  waiter.retry_ = std::make_shared<std::function<void()>>(std::move(retry));
  top->waiting_.push_back(waiter.retry_);
  return waiter;
}

void Quota::give_back(uint64_t amount) {
  Quota* top = nullptr;
  for (Quota* quota = this; quota; quota = quota->parent_) {
    WASI_NETD_CHECK(quota->used_ >= amount, quota->name_ + " gives back more than was charged");
    quota->used_ -= amount;
    top = quota;
  }
  // A waiter may charge again or wait again: take the list first, so that each runs once for this release.
  for (const auto& waiter : std::exchange(top->waiting_, {})) {
    if (const auto retry = waiter.lock()) std::exchange(*retry, nullptr)();
  }
}

}  // namespace wasi_netd
