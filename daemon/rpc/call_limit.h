#pragma once
// How many rpcs a server has at a time, over all the connections of its hosts. Each is memory in gRPC and here before
// it has said what it wants, so it is counted before a loop hears of it: unlike a Quota, this is for any thread.
//
// A Slot is the proof and is given back when it goes. The limit outlives its slots (destroying it with one taken is a
// bug): it belongs to the tenant's server.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "daemon/base/error.h"

namespace wasi_netd::rpc {

class CallLimit {
 public:
  class Slot {
   public:
    Slot(Slot&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (limit_) limit_->leave();
    }

   private:
    friend class CallLimit;
    explicit Slot(CallLimit& limit) : limit_(&limit) {}
    CallLimit* limit_;
  };

  explicit CallLimit(uint64_t limit) : limit_(limit) {}
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;
  ~CallLimit() {
    const std::lock_guard lock(mutex_);  // the last slot may be about to go
    WASI_NETD_CHECK(used_ == 0, "calls not given back");
  }

  // nullopt: there is no room.
  std::optional<Slot> enter() {
    if (++used_ > limit_) {
      --used_;
      return std::nullopt;
    }
    return Slot(*this);
  }
  uint64_t used() const { return used_; }
  // Blocks until no call is there or `deadline` has come.
  void wait_for_none(std::chrono::system_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    none_.wait_until(lock, deadline, [this] { return used_ == 0; });
  }

 private:
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--used_ == 0) none_.notify_all();
  }

  const uint64_t limit_;
  std::atomic<uint64_t> used_ = 0;
  std::mutex mutex_;
  std::condition_variable none_;
};

}  // namespace wasi_netd::rpc
