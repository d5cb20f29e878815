#pragma once
// A tenant's policy: what its YAML file says, and the one function that answers every request.
//
// A TenantPolicy is immutable once loaded and shared by pointer; any thread. Rules: docs/policy.md. Deny beats allow,
// no match is deny, names are judged before any query and every address they resolve to is judged again.
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/address.h"
#include "policy/proxy.h"
#include "policy/rights.h"
#include "policy/tls.h"

namespace wasi_netd::policy {

// Where a rule stands: "acme.yaml:12". `file` is as given to the loader. `text` is the rule as written, or the key of
// the section whose default answered.
struct RuleRef {
  std::string file;
  int line = 0;
  int column = 0;
  std::string text;
};
std::string to_string(const RuleRef&);  // "file:line"

// kSendTo: a datagram to that peer, judged by the rules of `connect`. kRecvFrom: a datagram from that peer to a control
// that is not connected, judged by the rules of `accept`; that an answer to what was sent comes in as well is for the
// caller to see to, who knows what was sent.
enum class Operation : uint8_t { kOpen, kListen, kConnect, kAccept, kResolve, kSendTo, kRecvFrom };
inline constexpr Operation kAllOperations[] = {Operation::kOpen,    Operation::kListen,  Operation::kConnect,
                                               Operation::kAccept,  Operation::kResolve, Operation::kSendTo,
                                               Operation::kRecvFrom};
std::string_view to_string(Operation);  // "open", "listen", ..., "send_to", "recv_from"
std::optional<Operation> parse_operation(std::string_view);

// One question. What the answer depends on is all here, so that a live object can keep its request and be judged again.
struct Request {
  std::string guest;  // the session's guest name; may be empty
  std::string protocol;
  Operation operation = Operation::kConnect;
  Endpoint endpoint;                    // what is asked for; the peer for kAccept and kRecvFrom; port 0 for kResolve
  std::optional<std::string> via_name;  // endpoint is an address this name resolved to (connect, send_to, resolve)
};

enum class Verdict : uint8_t { kAllow, kDeny, kWouldDeny };  // kWouldDeny: `mode: audit` lets it pass
std::string_view to_string(Verdict);                         // "allow", "deny", "would_deny"

struct Decision {
  Verdict verdict = Verdict::kDeny;
  RuleRef rule;        // never empty: where nothing matched, the section or protocol that was silent
  std::string reason;  // one line for people: "denied by rule", "no rule matches", "address class loopback ..."
  bool permitted() const { return verdict != Verdict::kDeny; }
};

// The least that `buffers` may be: what a stream is charged before its first byte, so with less no stream could move
// any.
inline constexpr uint64_t kLeastBuffers = 160 << 10;

struct Limits {  // nullopt: no limit of that kind
  std::optional<uint64_t> sessions, handles, connections, buffers /* bytes */, host_connections;
};

struct Peer {  // an entry of `peers:`; all keys present must match the kernel's credentials
  std::optional<uint32_t> uid, gid;
};

struct Protocol {
  std::string name;
  Transport transport = Transport::kTcp;
  std::vector<Family> families;  // tcp and udp; the preferred first; IPv6 and IPv4 when the file is silent
  RightSet rights = 0;           // of the protocol handle, base and inheriting alike
  struct Resolver {
    std::vector<IpEndpoint> servers;  // empty: the system's
    std::chrono::milliseconds timeout{5000};
    std::map<std::string, std::vector<IpAddress>> hosts;
  } resolver;
  std::optional<Tls> tls;
  std::optional<Proxy> proxy;
  RuleRef where;
};

class Rules;  // the compiled rule sets

class TenantPolicy {
 public:
  ~TenantPolicy();
  const std::string& tenant() const;
  const std::string& file() const;
  bool peer_allowed(uint32_t uid, uint32_t gid) const;
  const Limits& limits() const;          // per tenant
  const Limits& session_limits() const;  // `per_session:`
  // The protocols a guest of this name gets, sorted by name, and its own limits (`guests:`; already no wider than the
  // session's). nullopt: the name is not admitted.
  struct GuestView {
    std::vector<const Protocol*> protocols;
    Limits limits;
  };
  std::optional<GuestView> guest(std::string_view name) const;
  const Protocol* protocol(std::string_view name) const;
  std::vector<const Protocol*> protocols() const;  // sorted by name

  Decision decide(const Request&) const;

 private:
  friend class Loader;
  TenantPolicy();
  struct State;
  std::unique_ptr<const State> state_;
};

// Paths that no rule can open up: the daemon's runtime directory and policy directory. Given to the loader, kept by the
// policy, judged before any rule.
struct Reserved {
  std::vector<std::string> unix_prefixes;
};

// Names of users and groups to numbers; nullopt: unknown. The daemon passes the system's, tests their own.
struct Accounts {
  std::optional<uint32_t> (*user)(const std::string& name) = nullptr;
  std::optional<uint32_t> (*group)(const std::string& name) = nullptr;
};

struct LoadError {
  std::string file;
  int line = 0;  // 1-based; 0: the file as a whole
  int column = 0;
  std::string message;  // what is wrong and what was expected
};
std::string to_string(const LoadError&);  // "file:line:column: message", one printable line

// A file that the policy names. The loader does not look at it.
struct NamedFile {
  std::string path;
  int line = 0;  // of the path in the policy; 1-based
  int column = 0;
  bool secret = false;  // a private key or a password
};

struct LoadResult {
  std::shared_ptr<const TenantPolicy> policy;  // null when there are errors
  std::vector<LoadError> errors;
  std::vector<LoadError> warnings;
  std::vector<NamedFile> files;  // in the order of protocols and keys; a path may be there again
};

// Never throws; reads at most 8 MiB of text. `file` is the name used in positions.
LoadResult load_text(std::string_view text, const std::string& file, const Reserved&, const Accounts&);
LoadResult load_file(const std::string& path, const Reserved&, const Accounts&);

}  // namespace wasi_netd::policy
