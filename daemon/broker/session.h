#pragma once
// One guest instance: its handles, what it may use up, and what it is to be told.
//
// Made by Tenant::open_session, held by the tenant until end() or abort() and by the objects that still deliver bytes
// after that. The tenant's loop. A handle is found only through find(), which checks kind and rights: no call can
// forget to.
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/base/event.h"
#include "daemon/base/quota.h"
#include "daemon/base/token.h"
#include "daemon/broker/audit.h"
#include "daemon/broker/call.h"
#include "daemon/broker/object.h"
#include "daemon/broker/rights.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

class Tenant;

struct Handle {
  std::shared_ptr<Object> object;
  Rights rights;
  Charge charge;
};

// What a call that makes a handle answers.
struct NewHandle {
  Token token;
  Rights rights;
};

// What the host is told, in this order of precedence. Taken from the session one at a time.
struct SessionEvent {
  enum class Kind : uint8_t { kClosing, kPassingError, kWriteEnded, kReady, kEnd } kind;
  Token handle;
  uint32_t readiness = 0;
  uint32_t next_size = 0;
  Errno error = Errno::success;  // kPassingError, kWriteEnded
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Tenant& tenant, std::string guest, const policy::Limits& limits, Charge charge);
  ~Session();

  const Token& token() const { return token_; }
  const std::string& guest() const { return guest_; }
  Tenant& tenant() const { return tenant_; }
  AuditSubject subject(std::string_view protocol = {}) const;

  // ---- handles ----
  // mfile when the handle quota is used up, connaborted when the session ends; the object is untouched then.
  Result<NewHandle> insert(std::shared_ptr<Object>, const Rights&);
  // Would insert() find room now? Where not, it is recorded as if insert() had been called.
  bool has_room_for_handle();
  // badf: no such handle. inval: another kind. notcapable: a right is missing. The pointer is good until the next
  // change of the table, so not across a co_await.
  Result<Handle*> find(const Token&, RightSet needed);
  Result<Handle*> find(const Token&, Kind, RightSet needed);
  template <class T>
  Result<std::shared_ptr<T>> find(const Token& token, Kind kind, RightSet needed) {
    auto handle = find(token, kind, needed);
    if (!handle) return handle.error();
    return std::static_pointer_cast<T>((*handle)->object);
  }
  Status close(const Token&);

  // ---- quotas ----
  Quota& handles_quota() { return handles_quota_; }
  Quota& connections_quota() { return connections_quota_; }
  Quota& buffers_quota() { return buffers_quota_; }

  // ---- events for the host ----
  void tell_ready(const Token& handle, uint32_t readiness, uint32_t next_size);
  // Of a stream of datagrams in transfer; of several that were not told yet the last counts.
  void tell_passing_error(const Token& handle, Errno);
  // Of a stream in transfer; once is enough, the last error counts.
  void tell_write_ended(const Token& handle, Errno);
  void tell_closing();
  // Completes with the next event; kEnd when the session is over. One waiter.
  Task<SessionEvent> next_event();

  // ---- names that were resolved for this session ----
  // An answer counts as its name, in the protocol that gave it, until its TTL has passed (docs/guest-api.md, row
  // RESOLVE-1). Bounded: the oldest go.
  void remember_answer(const std::string& protocol, const policy::IpAddress&, const std::string& name,
                       std::chrono::seconds ttl);
  // The name it was given for last comes first: it is the one that the guest means.
  std::vector<std::string> names_of(const std::string& protocol, const policy::IpAddress&) const;

  // The guest closed a stream in transfer: what is left of it has `linger` from now on. Nothing on another handle.
  void stream_closed(const Token&);

  // ---- the end ----
  bool ended() const { return ended_; }
  bool over() const { return ending_ || ended_; }    // makes nothing new, though bytes may still be delivered
  bool ended_in_order() const { return in_order_; }  // by end(), not cut short by abort()
  // While it lives the session's end cancels the call, which waits for what is no object of the session. The call's
  // frame keeps the session.
  class CancelAtEnd {
   public:
    CancelAtEnd(Session&, Call&);
    CancelAtEnd(const CancelAtEnd&) = delete;
    CancelAtEnd& operator=(const CancelAtEnd&) = delete;
    ~CancelAtEnd() { session_.waiting_.erase(&call_); }

   private:
    Session& session_;
    Call& call_;
  };
  // Orderly: closes every handle but those of streams that are in a call of their own, and wakes waiting calls;
  // completes when these streams have delivered and closed, or after `linger`, and then everything left is aborted.
  Task<void> end(std::chrono::milliseconds linger);
  // At once: connections are reset, handles closed, waiting calls woken. Idempotent.
  void abort();

 private:
  void close_handles(bool keep_transfers);
  void cancel_waiting();

  Tenant& tenant_;
  const std::string guest_;
  const Token token_ = Token::make();
  const std::string label_ = token_.label();
  Charge charge_;
  Quota handles_quota_, connections_quota_, buffers_quota_;
  std::unordered_map<Token, Handle, TokenHash> handles_;
  struct Ready {
    uint32_t readiness = 0;
    uint32_t next_size = 0;
  };
  std::unordered_map<Token, Ready, TokenHash> ready_;
  std::unordered_map<Token, Errno, TokenHash> passing_errors_, write_ended_;
  bool closing_ = false;
  bool ending_ = false;  // no new handles
  bool ended_ = false;
  bool in_order_ = false;
  std::set<Call*> waiting_;  // those of a CancelAtEnd
  Event changed_;            // an event for next_event()
  Event handles_fewer_;      // for end()
  struct Known {
    std::chrono::steady_clock::time_point until;
    uint64_t answer;  // counts up
  };
  std::map<std::tuple<std::string, std::string, std::string>, Known> names_;  // (protocol, address, name)
  uint64_t answers_ = 0;
};

}  // namespace wasi_netd::broker
