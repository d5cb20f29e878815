#pragma once
// What a loaded policy holds. Internal: the loader fills it, decide() reads it. Immutable once loaded, so any thread.
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/policy.h"
#include "policy/rule_set.h"

namespace wasi_netd::policy {

// `connect`, `open` or `accept` of a protocol. Where the file is silent both sets are empty and `place` is the
// protocol.
struct Section {
  const Place* place = nullptr;
  RuleSet allow;
  RuleSet deny;
};

struct ProtocolState {
  Protocol protocol;
  const Place* place = nullptr;
  const Place* rights_place = nullptr;    // the protocol where the file has no `rights:`
  const Place* families_place = nullptr;  // likewise
  Section connect;
  Section open;
  Section accept;
};

struct GuestState {
  const Place* place = nullptr;
  std::optional<std::set<std::string, std::less<>>> protocols;  // nullopt: all of the tenant's
  Limits limits;
};

struct TenantPolicy::State {
  std::string tenant;
  std::string file;
  bool audit = false;
  std::vector<Peer> peers;
  Limits limits;
  Limits session_limits;
  std::map<std::string, ProtocolState, std::less<>> protocols;
  const Place* protocols_place = nullptr;
  std::optional<std::map<std::string, GuestState, std::less<>>> guests;  // nullopt: every name gets everything
  const Place* guests_place = nullptr;
  Reserved reserved;
  std::deque<Place> places;  // a deque, so that pointers to its elements stay
};

// What the rules of one protocol say, before `mode: audit` is taken into account.
struct Judgement {
  enum class Outcome : uint8_t {
    kAllow,
    kRefuse,  // by a rule or the lack of one: audit mode lets it pass
    kForbid,  // by rights, address class, a reserved path or a request that makes no sense: nothing lets it pass
  };
  Outcome outcome = Outcome::kForbid;
  const Place* place = nullptr;
  std::string reason;
};
Judgement judge(const ProtocolState&, const Reserved&, const Request&);
// Whether the rules of `connect` let the protocol reach this name or address on at least one port (tcp, udp).
Judgement judge_some_port(const ProtocolState&, const Endpoint&, const std::optional<std::string>& via_name);

// Which sections a protocol has.
struct Sections {
  bool connect = false, open = false, accept = false, tls = false;
};
// The rights that a protocol's sections give; in audit mode a section of rules that is not there is judged too, so all
// of them count.
RightSet implied_rights(Transport, const Sections&, bool audit);
// The right that an operation asks of the protocol.
RightSet rights_for(Operation);

bool is_reserved(const Reserved&, std::string_view path);

}  // namespace wasi_netd::policy
