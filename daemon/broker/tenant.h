#pragma once
// Everything of one tenant: policy, quotas, sessions, resolvers. It lives on one loop, so a tenant-wide limit needs no
// lock.
//
// Owned by the daemon; prepare() comes first, and stop() must complete before it is destroyed. Functions run on the
// loop unless they say otherwise.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <boost/asio/co_spawn.hpp>

#include "daemon/base/gate.h"
#include "daemon/broker/audit.h"
#include "daemon/broker/protocol_runtime.h"
#include "daemon/broker/session.h"
#include "daemon/net/net.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

class Connection;

class Tenant {
 public:
  // What a policy file that is silent on a limit gives its tenant: everything is bounded.
  static constexpr uint64_t kDefaultSessions = 1000;
  static constexpr uint64_t kDefaultHandles = 20'000;
  static constexpr uint64_t kDefaultConnections = 10'000;
  static constexpr uint64_t kDefaultBuffers = 256u << 20;
  static constexpr uint64_t kDefaultHostConnections = 64;
  static constexpr size_t kMaxGuestName = 64;  // bytes; it stands in every audit record

  Tenant(Loop loop, std::shared_ptr<const policy::TenantPolicy>, std::chrono::milliseconds linger, AuditLog&);
  ~Tenant();

  const std::string& name() const { return policy_->tenant(); }
  const policy::TenantPolicy& policy() const { return *policy_; }
  const Loop& loop() const { return loop_; }
  std::chrono::milliseconds linger() const { return linger_; }
  Audit& audit() { return audit_; }
  // Makes what its protocols need besides rules. The error says which file is missing or wrong, and which protocol
  // names it.
  Status prepare();
  const ProtocolRuntime& runtime(const policy::Protocol& protocol) const { return runtimes_.at(protocol.name); }

  // inval: the name is too long. acces: the policy does not admit this guest. nfile: session quota. connaborted: the
  // daemon is going away.
  struct Opened {
    std::shared_ptr<Session> session;
    struct Grant {
      std::string name;
      NewHandle handle;
    };
    std::vector<Grant> protocols;
  };
  Result<Opened> open_session(std::string guest, RightSet ceiling);
  std::shared_ptr<Session> find_session(const Token&) const;  // null: unknown or over
  void remove_session(const Session&);
  size_t session_count() const { return sessions_.size(); }
  bool draining() const { return draining_; }

  Quota& sessions_quota() { return sessions_quota_; }
  Quota& handles_quota() { return handles_quota_; }
  Quota& connections_quota() { return connections_quota_; }
  Quota& buffers_quota() { return buffers_quota_; }
  Quota& host_connections_quota() { return host_connections_quota_; }

  // Runs a flow on the loop, held by the gate; stop() waits for it. False, and nothing runs, after stop() began.
  bool spawn(Task<void> flow);

  // No new sessions, controls and connections; the sessions that exist are told. `idle`, if any, runs when none is left
  // (at once, or later).
  void drain(std::function<void()> idle);
  // Aborts every session and connection; `done` runs on the loop when the last flow has ended.
  void stop(std::function<void()> done);

  // Every connection that is not over, draining ones too; a connection registers itself.
  void add_connection(Connection* connection) { connections_.insert(connection); }
  void remove_connection(Connection* connection) { connections_.erase(connection); }

 private:
  void tell_idle();

  const Loop loop_;
  std::shared_ptr<const policy::TenantPolicy> policy_;
  const std::chrono::milliseconds linger_;
  Audit audit_;
  Quota sessions_quota_, handles_quota_, connections_quota_, buffers_quota_, host_connections_quota_;
  Gate gate_;
  bool draining_ = false;
  std::function<void()> idle_;  // of drain()
  std::unordered_map<Token, std::shared_ptr<Session>, TokenHash> sessions_;
  std::map<std::string, ProtocolRuntime> runtimes_;
  std::unordered_set<Connection*> connections_;
};

}  // namespace wasi_netd::broker
