#pragma once
// Where a guest's thread waits, and the one lock of a guest.
//
// Everything that gRPC's reactions and the guest's thread share - the session's state, handles' readiness, streams'
// queues, results of calls - is guarded by this mutex and changed by reactions through update() only, which wakes the
// guest. It is held for memory operations, never across a call into gRPC or the kernel. The guest's thread waits on a
// condition variable; when host descriptors (stdio) take part, in ppoll with an eventfd that is made at first need.
// Owned through shared_ptr by the guest and by every call it started, because a reaction may still be unlocking when
// the guest's thread has moved on.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <poll.h>
#include <span>
#include <type_traits>

#include "client-shim/src/errors.h"

namespace wasi_netd::shim {

using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNever = Deadline::max();
inline constexpr Deadline kAtOnce{};  // the clock's epoch: always past

class Waker {
 public:
  using Lock = std::unique_lock<std::mutex>;

  Waker() = default;
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();

  Lock lock() { return Lock(mutex_); }

  // From a gRPC thread: changes what the lock guards and, unless `change` returns false, wakes the guest.
  template <class Change>
  void update(Change change) {
    bool polling = false;
    {
      const Lock guard(mutex_);
      if constexpr (std::is_void_v<std::invoke_result_t<Change>>) {
        change();
      } else if (!change()) {
        return;
      }
      polling = polling_;
    }
    wake(polling);
  }

  // Until `done()` holds or the deadline has passed; true when it holds. `lock` is held on entry and exit.
  template <class Done>
  bool wait(Lock& lock, Deadline deadline, Done done) {
    if (deadline != kNever) return changed_.wait_until(lock, deadline, done);
    changed_.wait(lock, done);
    return true;
  }
  template <class Done>
  void wait(Lock& lock, Done done) {
    wait(lock, kNever, done);
  }

  // Until something changed or the deadline has passed; may return early.
  void wait_change(Lock& lock, Deadline deadline) { changed_.wait_until(lock, deadline); }

  // Until one of `descriptors` has an event, an update() happened, or the deadline has passed; sets their revents.
  // The first entry is this function's own and must be left free. nfile/mfile when no eventfd can be had.
  Errno wait_descriptors(Lock& lock, std::span<pollfd> descriptors, Deadline deadline);

  // From any thread; for ever.
  void interrupt();
  bool interrupted() const { return interrupted_.load(std::memory_order_relaxed); }

 private:
  void wake(bool polling);

  std::mutex mutex_;
  std::condition_variable changed_;
  int eventfd_ = -1;      // written by the guest's thread, before polling_ is first set
  bool polling_ = false;  // the guest's thread waits in ppoll
  std::atomic<bool> interrupted_{false};
};

}  // namespace wasi_netd::shim
