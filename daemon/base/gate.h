#pragma once
// Counts what is going on, so that a stop can wait for the end of it.
//
// Every spawned flow holds a Gate::Holder. close() refuses new holders; when the last one goes, the callback given to
// close() runs, inline, once. One loop's thread. A gate outlives its holders (destroying a held gate is a bug).
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

#include "daemon/base/error.h"

namespace wasi_netd {

class Gate {
 public:
  class Holder {
   public:
    explicit Holder(Gate& gate) : gate_(&gate) { ++gate_->held_; }
    Holder(Holder&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Holder& operator=(Holder&&) = delete;
    ~Holder() {
      if (gate_) gate_->leave();
    }

   private:
    Gate* gate_;
  };

  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { WASI_NETD_CHECK(held_ == 0, "gate destroyed while held"); }

  std::optional<Holder> enter() {
    if (closed_) return std::nullopt;
    return Holder(*this);
  }
  bool closed() const { return closed_; }
  size_t held() const { return held_; }
  void close(std::function<void()> empty) {
    WASI_NETD_CHECK(!closed_, "gate closed twice");
    closed_ = true;
    empty_ = std::move(empty);
    if (held_ == 0) finish();
  }

 private:
  void leave() {
    if (--held_ == 0 && closed_) finish();
  }
  void finish() {
    auto empty = std::exchange(empty_, nullptr);
    if (empty) empty();
  }
  size_t held_ = 0;
  bool closed_ = false;
  std::function<void()> empty_;
};

}  // namespace wasi_netd
