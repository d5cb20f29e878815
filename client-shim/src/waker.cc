#include "client-shim/src/waker.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <unistd.h>

#include <sys/eventfd.h>

namespace wasi_netd::shim {

Waker::~Waker() {
  if (eventfd_ >= 0) ::close(eventfd_);
}

void Waker::wake(bool polling) {
  if (polling) {
    // Fails only when the counter is at its top, and then the guest is awake anyway.
    [[maybe_unused]] const int ignored = ::eventfd_write(eventfd_, 1);
  } else {
    changed_.notify_one();
  }
}

void Waker::interrupt() {
  update([this] { interrupted_.store(true, std::memory_order_relaxed); });
}

Errno Waker::wait_descriptors(Lock& lock, std::span<pollfd> descriptors, Deadline deadline) {
  if (eventfd_ < 0) {
    eventfd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (eventfd_ < 0) return errno_from_host(errno);
  }
  descriptors[0] = {eventfd_, POLLIN, 0};
  timespec timeout{};
  if (deadline != kNever) {
    const auto left = std::max(deadline - std::chrono::steady_clock::now(), Deadline::duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timeout.tv_sec = seconds.count();
    timeout.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds).count();
  }
  polling_ = true;
  lock.unlock();
  const int result = ::ppoll(descriptors.data(), descriptors.size(), deadline == kNever ? nullptr : &timeout, nullptr);
  const int error = result < 0 ? errno : 0;
  lock.lock();
  polling_ = false;
  eventfd_t ignored = 0;
  if (result > 0 && (descriptors[0].revents & POLLIN) != 0) ::eventfd_read(eventfd_, &ignored);
  if (result <= 0) {
    for (pollfd& descriptor : descriptors) descriptor.revents = 0;
  }
  return error == 0 || error == EINTR ? err::success : errno_from_host(error);
}

}  // namespace wasi_netd::shim
