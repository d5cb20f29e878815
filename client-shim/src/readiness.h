#pragma once
// What the shim knows of one handle's readiness, so that a poll asks the daemon only what it does not know.
//
// The daemon's `ready` events are one-shot: each was armed by a Poll or by a call that answered `again`, disarms the
// handle whatever it was armed for, and may arrive before the reply to the call that armed it. So an event that comes
// while a call is under way counts as newer than that call's answer, and nothing counts as armed by it: at worst the
// daemon is asked once more. Bits are v1::Readiness. Guarded by the guest's Waker lock. Pure: no gRPC, no clock.
#include <cstdint>

namespace wasi_netd::shim {

class Readiness {
 public:
  static constexpr uint32_t kReadable = 1;
  static constexpr uint32_t kWritable = 2;
  static constexpr uint32_t kHangup = 4;

  // What of `interest` holds, as far as is known; a hangup answers every interest.
  uint32_t holding(uint32_t interest) const { return ready_ & (interest | kHangup); }
  // Bytes of the datagram that a read gives, while readable is known to hold.
  uint32_t next_size() const { return (ready_ & kReadable) != 0 ? next_size_ : 0; }
  // True when neither a known state nor an armed event covers `interest`.
  bool unknown(uint32_t interest) const { return holding(interest) == 0 && (interest & ~armed_) != 0; }

  // What was known to hold may have changed without an event.
  void forget() { ready_ &= kHangup; }
  // A call that uses the handle up to its next `again` begins: what was known may not hold after it.
  void call_started() {
    forget();
    overtaken_ = false;
  }
  // That call answered `again`, which arms `interest`.
  void call_answered_again(uint32_t interest) { arm(interest); }
  // A Poll begins, and its answer for `interest`. What it did not find holding, it armed.
  void poll_started() { overtaken_ = false; }
  void poll_answered(uint32_t interest, uint32_t holds, uint32_t next_size = 0) {
    ready_ |= holds;
    if ((holds & kReadable) != 0) next_size_ = next_size;
    arm(interest);
  }
  void event(uint32_t bits, uint32_t next_size = 0) {
    ready_ |= bits;
    if ((bits & kReadable) != 0) next_size_ = next_size;
    armed_ = 0;
    overtaken_ = true;
  }

 private:
  void arm(uint32_t interest) {
    if (!overtaken_ && holding(interest) == 0) armed_ |= interest;
  }

  uint32_t ready_ = 0;
  uint32_t next_size_ = 0;
  uint32_t armed_ = 0;
  bool overtaken_ = false;  // an event came since the last call or Poll began
};

}  // namespace wasi_netd::shim
