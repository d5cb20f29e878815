#include "daemon/broker/object.h"

#include <algorithm>

#include "daemon/broker/session.h"

namespace wasi_netd::broker {

Object::Object(std::shared_ptr<Session> session, Kind kind) : session_(std::move(session)), kind_(kind) {}
Object::~Object() = default;

void Object::arm(const Token& handle, uint32_t interest) {
  const auto known = std::find_if(armed_.begin(), armed_.end(), [&](const Armed& a) { return a.handle == handle; });
  if (known != armed_.end()) {
    known->interest |= interest;
  } else {
    armed_.push_back({handle, interest});
  }
  watch(interest);
}

void Object::disarm(const Token& handle) {
  std::erase_if(armed_, [&](const Armed& a) { return a.handle == handle; });
}

void Object::handle_closed() {
  WASI_NETD_CHECK(handles_ > 0, "object without handles");
  if (--handles_ == 0) last_handle_closed();
}

void Object::readiness_changed() {
  if (armed_.empty()) return;
  const uint32_t now = readiness();
  std::erase_if(armed_, [&](const Armed& armed) {
    // A hang-up is told whatever was asked for, as poll(2) does.
    const uint32_t told = now & (armed.interest | kHangup);
    if (told == 0) return false;
    session_->tell_ready(armed.handle, told, next_size());
    return true;
  });
}

}  // namespace wasi_netd::broker
