// poll_oneoff: many fds and clocks in one wait.
//
// Streams are looked up in their local queues. For controls and connections the daemon is asked once and then tells
// (readiness.h). Stdio is asked by ppoll, which also wakes for everything else. One pass looks at every subscription;
// the guest sleeps between passes until something changed or the nearest clock is due.
#include <algorithm>
#include <chrono>
#include <map>

#include "client-shim/src/guest.h"

namespace wasi_netd::shim {
namespace {

using Async = v1::Broker::StubInterface::async_interface;
using PollCall = UnaryCall<v1::PollRequest, v1::PollReply>;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// A clock subscription: when it is due. An absolute time of the real-time clock moves when that clock is set, so it
// is judged by that clock and only slept for by the monotonic one.
struct Clock {
  bool realtime = false;
  uint64_t at_ns = 0;  // on its own clock

  static uint64_t now(bool realtime) {
    const auto since = realtime ? nanoseconds(system_clock::now().time_since_epoch())
                                : nanoseconds(steady_clock::now().time_since_epoch());
    return static_cast<uint64_t>(since.count());
  }
  uint64_t left() const {
    const uint64_t present = now(realtime);
    return present >= at_ns ? 0 : at_ns - present;
  }
};

struct Item {
  const wasi_netd_subscription* subscription = nullptr;
  Errno error = err::success;        // known before any wait
  Descriptor* descriptor = nullptr;  // read, write
  uint32_t interest = 0;
  Clock clock;
  size_t pollfd_index = 0;  // of stdio; 0: none
};

bool is_clock(const Item& item) { return item.subscription->type == WASI_NETD_EVENT_CLOCK; }
bool is_stream(const Item& item) { return item.descriptor != nullptr && item.descriptor->stream; }
bool is_handle(const Item& item) {
  return item.descriptor != nullptr && item.descriptor->handle && !item.descriptor->stream;
}

// What of the item's interest holds for a control or connection, as far as is known. Under the lock.
uint32_t holding(const Item& item) {
  const uint32_t kept = item.descriptor->accepted || item.descriptor->unclaimed ? Readiness::kReadable : 0;
  return item.descriptor->handle->readiness.holding(item.interest) | (kept & item.interest);
}
// Whether the daemon must be asked.
bool unknown(const Item& item) {
  return is_handle(item) && holding(item) == 0 && item.descriptor->handle->readiness.unknown(item.interest);
}

Errno make_clock(const wasi_netd_subscription& subscription, Clock& out) {
  if (subscription.clock_id != WASI_NETD_CLOCK_REALTIME && subscription.clock_id != WASI_NETD_CLOCK_MONOTONIC) {
    return err::inval;
  }
  const bool absolute = (subscription.clock_flags & WASI_NETD_CLOCK_ABSTIME) != 0;
  // A relative time is the same on both clocks, and the monotonic one is not set while we sleep.
  out.realtime = absolute && subscription.clock_id == WASI_NETD_CLOCK_REALTIME;
  const uint64_t start = absolute ? 0 : Clock::now(false);
  out.at_ns = subscription.timeout_ns > UINT64_MAX - start ? UINT64_MAX : start + subscription.timeout_ns;
  return err::success;
}

class Poll {
 public:
  Poll(Waker& waker, std::span<const wasi_netd_subscription> subscriptions, wasi_netd_event* events)
      : waker_(waker), subscriptions_(subscriptions), events_(events) {}

  Errno run(const FdTable<Descriptor>& fds, size_t& count);

 private:
  void prepare(const FdTable<Descriptor>& fds);
  void prepare_fd(Descriptor* descriptor, Item& item);
  void ask_daemon();
  // All below under the lock.
  bool must_ask() const;
  void await_streams(Waker::Lock& lock);
  void look(bool waited, size_t& count);
  bool look_at(const Item& item, bool waited, wasi_netd_event& event) const;
  Errno sleep(Waker::Lock& lock);

  Waker& waker_;
  const std::span<const wasi_netd_subscription> subscriptions_;
  wasi_netd_event* const events_;
  std::vector<Item> items_;
  std::vector<pollfd> pollfds_{1};  // the first is the waker's own
};

Errno Poll::run(const FdTable<Descriptor>& fds, size_t& count) {
  prepare(fds);
  for (bool waited = false;; waited = true) {
    ask_daemon();
    Waker::Lock lock = waker_.lock();
    if (!waited) await_streams(lock);
    if (!waited && pollfds_.size() > 1) {
      const Errno error = waker_.wait_descriptors(lock, pollfds_, kAtOnce);
      if (error != err::success) return error;
    }
    while (true) {
      if (waker_.interrupted()) return err::intr;
      look(waited, count);
      if (count > 0) return err::success;
      if (must_ask()) break;
      const Errno error = sleep(lock);
      if (error != err::success) return error;
      waited = true;
    }
  }
}

void Poll::prepare(const FdTable<Descriptor>& fds) {
  items_.resize(subscriptions_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    item.subscription = &subscriptions_[i];
    switch (item.subscription->type) {
      case WASI_NETD_EVENT_CLOCK:
        item.error = make_clock(*item.subscription, item.clock);
        break;
      case WASI_NETD_EVENT_READ:
      case WASI_NETD_EVENT_WRITE:
        prepare_fd(fds.find(item.subscription->fd), item);
        break;
      default:
        item.error = err::inval;
    }
  }
}

void Poll::prepare_fd(Descriptor* descriptor, Item& item) {
  const bool reading = item.subscription->type == WASI_NETD_EVENT_READ;
  if (descriptor == nullptr) {
    item.error = err::badf;
  } else if (descriptor->kind == Kind::kProtocol) {
    item.error = err::inval;
  } else if ((descriptor->rights.base & right::poll_fd_readwrite) == 0) {
    item.error = err::notcapable;
  } else if (descriptor->stream) {
    item.error = descriptor->stream->open();
  } else if (descriptor->handle) {
    const Waker::Lock guard = waker_.lock();
    item.error = descriptor->handle->usable();
    // A control's readiness lasts until an accept; a connection's ends with its stream and its peer, and no event says
    // so of what was found to hold.
    if (descriptor->kind == Kind::kConnection) descriptor->handle->readiness.forget();
  } else {
    item.pollfd_index = pollfds_.size();
    pollfds_.push_back({descriptor->stdio->host_fd(), static_cast<short>(reading ? POLLIN : POLLOUT), 0});
  }
  if (item.error != err::success) return;
  item.descriptor = descriptor;
  item.interest = reading ? Readiness::kReadable : Readiness::kWritable;
}

bool Poll::must_ask() const { return std::ranges::any_of(items_, unknown); }

// Asks for every state that is not known, all at once but each handle once, and waits for the answers.
void Poll::ask_daemon() {
  struct Question {
    explicit Question(const Handle& handle) : call(handle) {}
    uint32_t interest = 0;
    PollCall call;
  };
  std::map<Descriptor*, Question> questions;
  {
    const Waker::Lock guard = waker_.lock();
    for (const Item& item : items_) {
      if (!unknown(item)) continue;
      Handle& handle = *item.descriptor->handle;
      handle.readiness.poll_started();
      questions.try_emplace(item.descriptor, handle).first->second.interest |= item.interest;
    }
  }
  for (auto& [descriptor, question] : questions) {
    question.call.request.set_handle(descriptor->handle->token());
    question.call.request.set_interest(question.interest);
    question.call.start(&Async::Poll);
  }
  for (auto& [descriptor, question] : questions) {
    const Errno error = question.call.wait();
    if (error == err::success) {
      const Waker::Lock guard = waker_.lock();
      const v1::PollReply& reply = question.call.reply;
      descriptor->handle->readiness.poll_answered(question.interest, reply.readiness(), reply.next_size());
      continue;
    }
    for (Item& item : items_) {
      if (item.descriptor != descriptor) continue;
      item.error = error;
      item.descriptor = nullptr;
    }
  }
}

// A stream whose call was only now opened is ready for writing once the daemon has answered: a poll that does not
// wait would never learn it.
void Poll::await_streams(Waker::Lock& lock) {
  for (const Item& item : items_) {
    if (!is_stream(item)) continue;
    const Stream& stream = *item.descriptor->stream;
    waker_.wait(lock, [&] { return !stream.deciding() || stream.handle().broken_while_waiting() != err::success; });
  }
}

void Poll::look(bool waited, size_t& count) {
  count = 0;
  for (const Item& item : items_) {
    wasi_netd_event event{};
    event.userdata = item.subscription->userdata;
    event.type = item.subscription->type;
    if (look_at(item, waited, event)) events_[count++] = event;
  }
}

bool Poll::look_at(const Item& item, bool waited, wasi_netd_event& event) const {
  event.error = item.error;
  if (item.error != err::success) return true;
  if (is_clock(item)) return item.clock.left() == 0;
  const bool reading = item.interest == Readiness::kReadable;
  if (item.pollfd_index != 0) {
    const short happened = pollfds_[item.pollfd_index].revents;
    if (reading) event.nbytes = item.descriptor->stdio->available();
    if ((happened & (POLLHUP | POLLERR)) != 0 && event.nbytes == 0) event.flags = WASI_NETD_EVENT_HANGUP;
    return happened != 0;
  }
  const Handle& handle = *item.descriptor->handle;
  event.error = waited ? handle.broken_while_waiting() : handle.usable();
  if (event.error != err::success) return true;
  if (!is_stream(item)) {
    const uint32_t holds = holding(item);
    if (reading) {
      const auto& unclaimed = item.descriptor->unclaimed;
      event.nbytes = unclaimed ? unclaimed->data().size() : handle.readiness.next_size();
    }
    if ((holds & Readiness::kHangup) != 0) event.flags = WASI_NETD_EVENT_HANGUP;
    return holds != 0;
  }
  const Stream& stream = *item.descriptor->stream;
  const StreamQueue::Polled polled = reading ? stream.poll_read() : stream.poll_write();
  event.nbytes = polled.bytes;
  if (polled.hangup) event.flags = WASI_NETD_EVENT_HANGUP;
  return polled.ready;
}

Errno Poll::sleep(Waker::Lock& lock) {
  // Far enough for any guest, near enough for every clock's arithmetic.
  constexpr uint64_t kLongest = nanoseconds(std::chrono::hours(24)).count();
  uint64_t left = kLongest;
  for (const Item& item : items_) {
    if (is_clock(item)) left = std::min(left, item.clock.left());
  }
  const Deadline deadline = steady_clock::now() + nanoseconds(left);
  if (pollfds_.size() > 1) return waker_.wait_descriptors(lock, pollfds_, deadline);
  waker_.wait_change(lock, deadline);
  return err::success;
}

}  // namespace

Errno Guest::poll(std::span<const wasi_netd_subscription> subscriptions, wasi_netd_event* events, size_t& count) {
  if (subscriptions.empty()) return err::inval;
  reap();
  size_t ready = 0;
  const Errno error = Poll(*waker_, subscriptions, events).run(fds_, ready);
  if (error == err::success) count = ready;
  return error;
}

}  // namespace wasi_netd::shim
