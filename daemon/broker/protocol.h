#pragma once
// A protocol object: a named entry of the tenant's policy, as one session sees it. The factory of controls.
//
// The tenant's loop.
#include <memory>
#include <string>

#include "daemon/broker/object.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

class Protocol final : public Object {
 public:
  // `protocol` belongs to the tenant's policy, which outlives every session of the tenant.
  Protocol(std::shared_ptr<Session> session, const policy::Protocol& protocol)
      : Object(std::move(session), Kind::kProtocol), protocol_(protocol) {}

  const policy::Protocol& policy() const { return protocol_; }
  uint32_t readiness() override { return 0; }

 private:
  void last_handle_closed() override {}
  const policy::Protocol& protocol_;
};

}  // namespace wasi_netd::broker
