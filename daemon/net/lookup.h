#pragma once
// One name being resolved, what has come of it, and everybody who waits for it. Shared by them and by the queries
// behind it; one loop's thread.
#include <algorithm>
#include <chrono>
#include <list>
#include <optional>
#include <utility>

#include "daemon/base/event.h"
#include "daemon/net/dns_answer.h"
#include "daemon/net/net.h"

namespace wasi_netd::net {

struct Lookup {
  using Clock = std::chrono::steady_clock;

  explicit Lookup(Clock::time_point deadline_in) : deadline(deadline_in) {}

  const Clock::time_point deadline;
  size_t outstanding = 0;  // families without an answer
  Answer found{{}, kMaxTtl};
  std::optional<int> failure;  // c-ares's status of a query that told nothing about the name
  // From when on `found` is enough to begin with.
  std::optional<Clock::time_point> enough_at;
  std::optional<Result<Answer>> outcome;
  std::list<Timer*> waiting;  // each woken when one of the above has changed

  // `found` has grown, and something is still outstanding.
  void note_enough(policy::Family preferred, Clock::time_point now) {
    constexpr std::chrono::milliseconds kResolutionDelay{50};  // RFC 8305 section 3
    if (found.addresses.empty()) return;
    const bool has_preferred = std::ranges::count(found.addresses, preferred, &policy::IpAddress::family) > 0;
    if (!has_preferred && enough_at) return;
    enough_at = has_preferred ? now : now + kResolutionDelay;
    wake();
  }
  void end(Result<Answer> with) {
    if (outcome) return;
    outcome = std::move(with);
    wake();
  }

 private:
  void wake() {
    for (Timer* one : waiting) one->cancel();
  }
};

}  // namespace wasi_netd::net
