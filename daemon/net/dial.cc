// dial_stream: one connection out of several addresses.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "daemon/base/event.h"
#include "daemon/net/connector.h"
#include "daemon/net/dial_order.h"

namespace wasi_netd::net {

std::vector<policy::Endpoint> interleave_families(std::vector<policy::Endpoint> targets) {
  // An endpoint without a family counts as the first one's: it keeps its place among them.
  auto family_of = [](const policy::Endpoint& endpoint, policy::Family otherwise) {
    const auto* ip = std::get_if<policy::IpEndpoint>(&endpoint);
    return ip ? ip->address.family : otherwise;
  };
  if (targets.empty()) return targets;
  policy::Family first = family_of(targets.front(), policy::Family::kIpv4);
  std::deque<policy::Endpoint> turns[2];
  for (auto& target : targets) turns[family_of(target, first) == first ? 0 : 1].push_back(std::move(target));
  std::vector<policy::Endpoint> order;
  order.reserve(targets.size());
  for (size_t turn = 0; !turns[0].empty() || !turns[1].empty(); turn = 1 - turn) {
    if (turns[turn].empty()) continue;
    order.push_back(std::move(turns[turn].front()));
    turns[turn].pop_front();
  }
  return order;
}

namespace {

constexpr std::chrono::milliseconds kAttemptDelay{250};  // RFC 8305 section 5, the recommended value
constexpr size_t kMaxTargets = 16;
// Attempts run side by side and each holds a descriptor, all for one connection that was asked for. Where the next one
// finds no room, the oldest makes room: it has had time for a SYN that was lost and sent again after a second.
constexpr size_t kMaxRunning = 4;
constexpr std::chrono::milliseconds kCrowdedDelay{2000};

class Race final : public Dial, public std::enable_shared_from_this<Race> {
 public:
  Race(Loop loop, std::vector<Endpoint> targets, Targets which)
      : loop_(loop),
        targets_(interleave_families(std::move(targets))),
        more_(which == Targets::kMore),
        delay_(loop),
        changed_(loop) {
    if (targets_.size() > kMaxTargets) targets_.resize(kMaxTargets);
  }

  Task<Result<std::shared_ptr<Connection>>> run() override { return run_task(shared_from_this()); }

  void cancel() override {
    canceled_ = true;
    close_attempts();
    changed_.set();
  }

  void add(std::vector<Endpoint> targets) override {
    more_ = false;
    const auto next = targets_.begin() + static_cast<std::ptrdiff_t>(started_);
    targets.insert(targets.end(), next, targets_.end());
    targets_.erase(next, targets_.end());
    for (auto& target : interleave_families(std::move(targets))) {
      if (targets_.size() < kMaxTargets) targets_.push_back(std::move(target));
    }
    changed_.set();
  }

 private:
  using Self = std::shared_ptr<Race>;

  static Task<Result<std::shared_ptr<Connection>>> run_task(Self self) {
    WASI_NETD_CHECK(self->started_ == 0, "a dial runs once");
    while (!self->canceled_ && !self->winner_) {
      if (self->due_ && self->started_ < self->targets_.size()) {
        self->start_next();
      } else if (self->attempts_.empty() && !self->more_) {
        break;
      } else {
        co_await self->changed_.wait();
      }
    }
    self->delay_.cancel();
    self->close_attempts();
    if (self->canceled_) {
      if (self->winner_) self->winner_->abort();
      co_return canceled();
    }
    if (!self->winner_) co_return self->last_error_;
    co_return std::exchange(self->winner_, nullptr);
  }

  void start_next() {
    if (attempts_.size() == kMaxRunning) {
      attempts_.front()->close();  // its socket is closed at once, its outcome follows
      attempts_.erase(attempts_.begin());
    }
    auto attempt = std::make_shared<Connector>(loop_, targets_[started_++]);
    attempts_.push_back(attempt);
    due_ = false;
    if (started_ < targets_.size() || more_) {
      delay_.expires_after(attempts_.size() < kMaxRunning ? kAttemptDelay : kCrowdedDelay);
      delay_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
        if (!ec) self->next_is_due();
      });
    }
    asio::co_spawn(loop_, attempt_task(shared_from_this(), attempt), asio::detached);
  }

  static Task<void> attempt_task(Self self, std::shared_ptr<Connector> attempt) {
    auto outcome = co_await attempt->run();
    const bool gave_way = std::erase(self->attempts_, attempt) == 0;
    if (!outcome) {
      self->last_error_ = gave_way ? Error{Errno::timedout, "connect: gave way to the next address"} : outcome.error();
    } else if (self->winner_ || self->canceled_) {
      (*outcome)->abort();  // connected in the same turn of the loop as the winner, or as cancel()
    } else {
      self->winner_ = std::move(*outcome);
    }
    if (gave_way) {
      self->changed_.set();
    } else {
      self->next_is_due();
    }
  }

  void next_is_due() {
    due_ = true;
    changed_.set();
  }

  void close_attempts() {
    for (const auto& attempt : attempts_) attempt->close();
  }

  const Loop loop_;
  std::vector<Endpoint> targets_;  // in the order of their turns
  bool more_;                      // add() has not come yet
  size_t started_ = 0;
  std::vector<std::shared_ptr<Connector>> attempts_;  // running
  Timer delay_;
  Event changed_;    // an attempt ended, the delay has passed, or cancel()
  bool due_ = true;  // the next attempt need not wait
  bool canceled_ = false;
  std::shared_ptr<Connection> winner_;
  Error last_error_{Errno::inval, "no address to connect to"};
};

}  // namespace

std::shared_ptr<Dial> dial_stream(Loop loop, std::vector<Endpoint> targets, Targets which) {
  return std::make_shared<Race>(loop, std::move(targets), which);
}

}  // namespace wasi_netd::net
