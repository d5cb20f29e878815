#pragma once
// What the audit log says: one JSON object per decision, per quota refusal and per end of a connection
// (docs/operations.md lists the fields). Built on the loop, written elsewhere (AuditLog).
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/audit_log.h"
#include "daemon/base/error.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

struct AuditSubject {  // who
  std::string_view tenant, session, guest, protocol;
};

class Audit {
 public:
  explicit Audit(AuditLog& log) : log_(log) {}

  // A verdict. `asked` is the address as the guest gave it; `resolved` what it stands for, as far as judged; `left_out`
  // the number of such records before this one that were not written, where they come too fast.
  void decision(const AuditSubject&, policy::Operation, std::string_view asked,
                const std::vector<policy::Endpoint>& resolved, const policy::Decision&, uint64_t left_out = 0);
  // A limit was met: "sessions", "handles", "connections", "buffers", "host_connections", "calls".
  void quota(const AuditSubject&, std::string_view limit, uint64_t value);
  // A process at the tenant's socket: admitted, or (`refused_before` set) disconnected, with the number of refusals
  // since the last record of one.
  struct Process {
    uint32_t uid, gid;
    int32_t pid;
  };
  void peer(std::string_view tenant, const Process&, std::optional<uint64_t> refused_before);
  // A guest that asked for a session under a name that the policy does not admit.
  void guest_refused(const AuditSubject&);

  struct Closed {
    policy::Operation operation;  // connect or accept; open, listen: what datagrams no connection counts
    std::string_view asked;
    std::optional<policy::Endpoint> peer;  // none: no connection came about
    policy::RuleRef rule;
    Errno reason;  // success: ended in order
    std::string_view detail;
    uint64_t bytes_in, bytes_out;  // from the network, to the network
    std::chrono::milliseconds duration;
    uint64_t dropped = 0;  // datagrams: for want of room
    uint64_t refused = 0;  // datagrams: by the policy
  };
  void closed(const AuditSubject&, const Closed&);

 private:
  AuditLog& log_;
};

}  // namespace wasi_netd::broker
