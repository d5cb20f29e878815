#pragma once
// "Something may have changed": what a coroutine of a loop waits on and a plain function of the same loop sets.
//
// One waiter at a time. set() before wait() is remembered, so a change between the test and the wait is not lost;
// waiters test their condition again after every wake-up. set() never runs the waiter inline: it resumes from the loop
// (resume() is the exception). One loop's thread; the event outlives its waiter.
#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/base/error.h"

namespace wasi_netd {

using Timer =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>;

class Event {
 public:
  using Loop = boost::asio::io_context::executor_type;

  explicit Event(Loop loop) : loop_(std::move(loop)) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set() {
    if (waiter_) {
      post_waiter(std::exchange(waiter_, nullptr));
    } else {
      set_ = true;
    }
  }

  // As set(), but the waiter has run when this returns: for the last statement of a handler that was posted for it.
  void resume() {
    if (waiter_) {
      std::exchange(waiter_, nullptr)->resume();
    } else {
      set_ = true;
    }
  }

  // Completes after the next set(), or at once when one came since the last wait.
  auto wait() {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<Loop>, void()>(
        [this](auto handler) { start(std::move(handler)); }, kAwait);
  }

 private:
  static constexpr boost::asio::use_awaitable_t<Loop> kAwait{};
  // The suspended coroutine. (asio 1.26's any_completion_handler recurses without end when it is moved about.)
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void resume() = 0;
  };
  template <class Handler>
  struct WaiterOf final : Waiter {
    explicit WaiterOf(Handler handler_in) : handler(std::move(handler_in)) {}
    void resume() override { std::move(handler)(); }
    Handler handler;
  };

  void post_waiter(std::unique_ptr<Waiter> waiter) {
    boost::asio::post(loop_, [waiter = std::move(waiter)] { waiter->resume(); });
  }
  template <class Handler>
  void start(Handler handler) {
    WASI_NETD_CHECK(!waiter_, "two waiters on one event");
    auto waiter = std::make_unique<WaiterOf<Handler>>(std::move(handler));
    if (std::exchange(set_, false)) {
      post_waiter(std::move(waiter));
    } else {
      waiter_ = std::move(waiter);
    }
  }
  Loop loop_;
  bool set_ = false;
  std::unique_ptr<Waiter> waiter_;
};

}  // namespace wasi_netd
