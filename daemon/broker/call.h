#pragma once
// A guest's call while it waits: what the rpc layer cancels, and the list it waits in.
//
// One loop's thread. A Call is owned by the rpc layer for as long as the rpc; cancelling after the end is harmless.
#include <algorithm>
#include <functional>
#include <list>
#include <utility>

#include "daemon/base/event.h"
#include "daemon/net/net.h"

namespace wasi_netd::broker {

using net::Loop;
using net::Task;

class Call {
 public:
  bool cancelled() const { return cancelled_; }
  void cancel() {
    cancelled_ = true;
    if (auto wake = std::exchange(wake_, nullptr)) wake();
  }
  // Runs `wake` when the call is cancelled; nullptr takes it back. A call waits for one thing at a time.
  void on_cancel(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  bool cancelled_ = false;
  std::function<void()> wake_;
};

// Calls that wait for an object to change. Whoever waits tests its condition and call.cancelled() again afterwards. The
// list must outlive its waiters: a waiting coroutine holds a share of the object that owns the list.
class WaitList {
 public:
  explicit WaitList(Loop loop) : loop_(std::move(loop)) {}

  // Completes when woken or when the call is cancelled.
  Task<void> wait(Call& call) {
    if (call.cancelled()) co_return;
    Waiter waiter(loop_);
    const auto place = waiting_.insert(waiting_.end(), &waiter);
    call.on_cancel([&waiter] { waiter.event.set(); });
    co_await waiter.event.wait();
    call.on_cancel(nullptr);
    waiting_.erase(place);
    if (waiter.woken && call.cancelled()) wake_one();
  }
  void wake_all() {
    for (Waiter* waiter : waiting_) waiter->wake();
  }
  // For what only one can have: the longest-waiting call; from one that was cancelled the wake goes on to the next.
  void wake_one() {
    const auto next = std::find_if(waiting_.begin(), waiting_.end(), [](const Waiter* one) { return !one->woken; });
    if (next != waiting_.end()) (*next)->wake();
  }

 private:
  struct Waiter {
    explicit Waiter(Loop loop) : event(std::move(loop)) {}
    void wake() {
      woken = true;
      event.set();
    }
    Event event;
    bool woken = false;
  };
  Loop loop_;
  std::list<Waiter*> waiting_;
};

}  // namespace wasi_netd::broker
