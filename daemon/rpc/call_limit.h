#pragma once
// How many rpcs a server has at a time, over all the connections of its hosts. Each is memory in gRPC and here before
// it has said what it wants, so it is counted before a loop hears of it: unlike a Quota, this is for any thread.
//
// A Slot is the proof and is given back when it goes. The limit outlives its slots (destroying it with one taken is a
// bug): it belongs to the tenant's server.
#include <atomic>
#include <cstdint>
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
      if (limit_) --limit_->used_;
    }

   private:
    friend class CallLimit;
    explicit Slot(CallLimit& limit) : limit_(&limit) {}
    CallLimit* limit_;
  };

  explicit CallLimit(uint64_t limit) : limit_(limit) {}
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;
  ~CallLimit() { WASI_NETD_CHECK(used_ == 0, "calls not given back"); }

  // nullopt: there is no room.
  std::optional<Slot> enter() {
    if (++used_ > limit_) {
      --used_;
      return std::nullopt;
    }
    return Slot(*this);
  }
  uint64_t used() const { return used_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_ = 0;
};

}  // namespace wasi_netd::rpc
