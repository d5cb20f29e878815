#pragma once
// A limit and what is charged on it. A Quota may have a parent (session -> tenant): a charge counts on both or on
// neither. A Charge is the proof and gives the amount back when it goes; a Quota that dies with something still
// charged is a bug. One loop's thread.
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/base/error.h"

namespace wasi_netd {

class Quota;

class Charge {
 public:
  Charge() = default;
  Charge(Charge&& other) noexcept
      : quota_(std::exchange(other.quota_, nullptr)), amount_(std::exchange(other.amount_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    if (this != &other) {
      release();
      quota_ = std::exchange(other.quota_, nullptr);
      amount_ = std::exchange(other.amount_, 0);
    }
    return *this;
  }
  ~Charge() { release(); }
  uint64_t amount() const { return amount_; }
  void release();

 private:
  friend class Quota;
  Charge(Quota* quota, uint64_t amount) : quota_(quota), amount_(amount) {}
  Quota* quota_ = nullptr;
  uint64_t amount_ = 0;
};

class Quota {
 public:
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

  explicit Quota(std::string name, uint64_t limit = kUnlimited, Quota* parent = nullptr)
      : name_(std::move(name)), limit_(limit), parent_(parent) {}
  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;
  ~Quota() { WASI_NETD_CHECK(used_ == 0, name_ + " quota not given back"); }

  // nullopt: this quota or one above it has no room; nothing was charged.
  std::optional<Charge> charge(uint64_t amount);
  // Charges `amount` and hands it to `take`, once, when something is given back here or anywhere below the topmost
  // parent and there is room. Who asked first comes first, but holds up nobody with its own limit; nobody is told for
  // whom there is no room. `take` runs where something is given back: it keeps the charge and does no more than tell.
  class Waiter {
   public:
    bool waits() const { return wait_ && wait_->waits; }
    void cancel() { wait_.reset(); }  // as its end does

   private:
    friend class Quota;
    struct Wait {
      ~Wait();
      Quota& quota;
      uint64_t amount;
      std::function<void(Charge)> take;
      std::list<Wait*>::iterator place;
      bool waits = true;
    };
    std::unique_ptr<Wait> wait_;
  };
  [[nodiscard]] Waiter when_room(uint64_t amount, std::function<void(Charge)> take);

  uint64_t used() const { return used_; }
  uint64_t limit() const { return limit_; }
  // Never takes anything back: what is charged stays, growth stops.
  void set_limit(uint64_t limit) { limit_ = limit; }

 private:
  friend class Charge;
  void give_back(uint64_t amount);
  Quota& top() { return parent_ ? parent_->top() : *this; }
  void serve();
  const std::string name_;
  uint64_t limit_;
  uint64_t used_ = 0;
  Quota* const parent_;
  std::list<Waiter::Wait*> waiting_;  // at the top: whatever is given back below also passes there
};

}  // namespace wasi_netd
