// Every verdict comes from here: all operations, on tcp as on udp, share one address judgement.
#include <algorithm>

#include "policy/address_space.h"
#include "policy/state.h"

namespace wasi_netd::policy {
namespace {

using Outcome = Judgement::Outcome;

constexpr std::string_view kAllowed = "allowed by rule";
constexpr std::string_view kDenied = "denied by rule";
constexpr std::string_view kSilent = "no rule matches";

Judgement say(Outcome outcome, const Place* place, std::string_view reason) {
  return {outcome, place, std::string(reason)};
}

// Whether the guard asks for a rule inside the special block (what a guest dials) or for any rule that matches (what it
// binds, who comes in: those rules are about addresses to begin with).
enum class Direction : uint8_t { kOutbound, kInbound };

// The other addresses that a deny rule may name and that this one reaches as well.
std::vector<IpAddress> other_forms(const IpAddress& address, Direction direction) {
  std::vector<IpAddress> forms = embedded_ipv4(address);
  if (address.is_unspecified() && direction == Direction::kOutbound) {
    // The kernel dials the loopback address instead.
    forms.push_back(IpAddress::v4({127, 0, 0, 1}));
    if (address.family == Family::kIpv6) forms.push_back(*parse_ip("::1"));
  }
  return forms;
}

const Place* find_denial(const RuleSet& deny, const IpEndpoint& ip, Direction direction) {
  if (const Place* rule = deny.find(ip.address, ip.port)) return rule;
  for (const IpAddress& form : other_forms(ip.address, direction)) {
    if (const Place* rule = deny.find(form, ip.port)) return rule;
  }
  return nullptr;
}

Judgement guard_refusal(const Section& section, const IpEndpoint& ip, const SpecialBlock& special,
                        const Place* name_rule) {
  const Place* short_of = section.allow.find(ip.address, ip.port);
  if (short_of == nullptr) short_of = name_rule;
  const std::string address_class = "address class " + std::string(to_string(special.address_class));
  if (short_of == nullptr) return {Outcome::kForbid, section.place, "no rule matches (" + address_class + ")"};
  return {Outcome::kForbid, short_of,
          address_class + ": only an address rule within " + to_string(block_around(ip.address, special.length)) +
              " reaches it"};
}

// `name_rule`: the rule that allowed the name this address came from, null for an address the guest gave.
Judgement judge_address(const ProtocolState& state, const Section& section, const IpEndpoint& ip, Direction direction,
                        const Place* name_rule) {
  const SpecialBlock special = special_block(ip.address);
  const bool guarded = special.address_class != AddressClass::kPublic;
  const int min_length = guarded && direction == Direction::kOutbound ? special.length : 0;
  const Place* address_rule = section.allow.find(ip.address, ip.port, min_length);
  const bool past_guard = !guarded || address_rule != nullptr;
  const Outcome refusal = past_guard ? Outcome::kRefuse : Outcome::kForbid;

  if (!std::ranges::count(state.protocol.families, ip.address.family)) {
    return say(refusal, state.families_place, "the address family is not among the protocol's families");
  }
  if (const Place* rule = find_denial(section.deny, ip, direction)) return say(refusal, rule, kDenied);
  if (!past_guard) return guard_refusal(section, ip, special, name_rule);
  if (name_rule != nullptr && !guarded) return say(Outcome::kAllow, name_rule, kAllowed);
  if (address_rule != nullptr) return say(Outcome::kAllow, address_rule, kAllowed);
  return say(Outcome::kRefuse, section.place, kSilent);
}

Judgement judge_name(const Section& section, std::string_view name, uint16_t port) {
  if (const Place* rule = section.deny.find(name, port)) return say(Outcome::kRefuse, rule, kDenied);
  if (const Place* rule = section.allow.find(name, port)) return say(Outcome::kAllow, rule, kAllowed);
  return say(Outcome::kRefuse, section.place, kSilent);
}

// The one answer to "may this protocol connect there?", for a name before it is resolved, an address it resolved to,
// and an address as given.
Judgement judge_connect(const ProtocolState& state, const Endpoint& endpoint,
                        const std::optional<std::string>& via_name) {
  const Section& section = state.connect;
  if (const auto* name = std::get_if<NameEndpoint>(&endpoint)) return judge_name(section, name->name, name->port);
  const auto& ip = std::get<IpEndpoint>(endpoint);
  if (!via_name) return judge_address(state, section, ip, Direction::kOutbound, nullptr);

  const Judgement name = judge_name(section, *via_name, ip.port);
  const Place* name_rule = name.outcome == Outcome::kAllow ? name.place : nullptr;
  Judgement address = judge_address(state, section, ip, Direction::kOutbound, name_rule);
  const bool name_denied = name_rule == nullptr && name.place != section.place;
  return name_denied && address.outcome != Outcome::kForbid ? name : address;
}

// Ports at which the answer can change. If some port is allowed, then one of these is.
std::vector<uint16_t> telling_ports(const Section& section, const Endpoint& endpoint,
                                    const std::optional<std::string>& via_name) {
  std::vector<PortRange> allowed;
  std::vector<PortRange> denied;
  const auto collect = [&](const auto& what) {
    section.allow.ports_of(what, allowed);
    section.deny.ports_of(what, denied);
  };
  if (const auto* name = std::get_if<NameEndpoint>(&endpoint)) collect(std::string_view(name->name));
  if (via_name) collect(std::string_view(*via_name));
  if (const auto* ip = std::get_if<IpEndpoint>(&endpoint)) {
    collect(ip->address);
    for (const IpAddress& form : other_forms(ip->address, Direction::kOutbound)) section.deny.ports_of(form, denied);
  }
  std::vector<uint16_t> ports{1};  // where no rule applies, any port shows it
  for (const PortRange range : allowed) ports.push_back(range.first);
  for (const PortRange range : denied) {
    if (range.last < 65535) ports.push_back(static_cast<uint16_t>(range.last + 1));
  }
  std::ranges::sort(ports);
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return ports;
}

// The section whose rules answer the operation.
const Section& section_of(const ProtocolState& state, Operation operation) {
  switch (operation) {
    case Operation::kConnect:
    case Operation::kSendTo:
    case Operation::kResolve:
      return state.connect;
    case Operation::kOpen:
    case Operation::kListen:
      return state.open;
    case Operation::kAccept:
    case Operation::kRecvFrom:
      break;
  }
  return state.accept;
}

Judgement judge_ip(const ProtocolState& state, const Request& request) {
  const Endpoint& endpoint = request.endpoint;
  if (std::holds_alternative<UnixEndpoint>(endpoint)) {
    return say(
        Outcome::kForbid, state.place,
        "a Unix socket's name, and the protocol's transport is " + std::string(to_string(state.protocol.transport)));
  }
  if (request.operation == Operation::kResolve) return judge_some_port(state, endpoint, request.via_name);
  const Section& section = section_of(state, request.operation);
  const auto* ip = std::get_if<IpEndpoint>(&endpoint);
  if (&section == &state.connect) {
    const uint16_t port = ip != nullptr ? ip->port : std::get<NameEndpoint>(endpoint).port;
    if (port == 0) return say(Outcome::kForbid, section.place, "port 0 cannot be reached");
    return judge_connect(state, endpoint, request.via_name);
  }
  if (ip == nullptr) return say(Outcome::kForbid, section.place, "a name is neither bound nor a peer");
  if (&section == &state.open && is_any(endpoint)) {
    if (!std::ranges::count(state.protocol.families, ip->address.family)) {
      return say(Outcome::kRefuse, state.families_place, "the address family is not among the protocol's families");
    }
    return say(Outcome::kAllow, state.rights_place, "any address with port 0 asks only the right");
  }
  return judge_address(state, section, *ip, Direction::kInbound, nullptr);
}

Judgement judge_unix(const ProtocolState& state, const Reserved& reserved, const Request& request) {
  const auto* name = std::get_if<UnixEndpoint>(&request.endpoint);
  if (name == nullptr) {
    return say(Outcome::kForbid, state.place, "not a Unix socket's name, and the protocol's transport is unix");
  }
  const Section& section = section_of(state, request.operation);
  if (is_any(request.endpoint)) {
    if (&section == &state.connect) return say(Outcome::kForbid, section.place, "an unnamed socket cannot be reached");
    if (&section == &state.open)
      return say(Outcome::kAllow, state.rights_place, "an unnamed socket asks only the right");
  }
  const bool is_path = !name->abstract && !name->name.empty();
  if (is_path && !is_normal_path(name->name)) {
    return say(Outcome::kForbid, section.place, "the path is not normal, so rules cannot be compared with it");
  }
  if (is_path && is_reserved(reserved, name->name)) {
    return say(Outcome::kForbid, section.place, "the path is the daemon's own, whatever the rules say");
  }
  if (const Place* rule = section.deny.find(*name)) return say(Outcome::kRefuse, rule, kDenied);
  if (const Place* rule = section.allow.find(*name)) return say(Outcome::kAllow, rule, kAllowed);
  return say(Outcome::kRefuse, section.place, kSilent);
}

}  // namespace

bool is_reserved(const Reserved& reserved, std::string_view path) {
  return std::ranges::any_of(reserved.unix_prefixes, [path](std::string_view prefix) {
    while (prefix.ends_with('/')) prefix.remove_suffix(1);
    return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
  });
}

Judgement judge_some_port(const ProtocolState& state, const Endpoint& asked,
                          const std::optional<std::string>& via_name) {
  std::optional<Judgement> best;
  Endpoint endpoint = asked;
  for (const uint16_t port : telling_ports(state.connect, asked, via_name)) {
    if (auto* ip = std::get_if<IpEndpoint>(&endpoint)) ip->port = port;
    if (auto* name = std::get_if<NameEndpoint>(&endpoint)) name->port = port;
    Judgement judgement = judge_connect(state, endpoint, via_name);
    if (judgement.outcome == Outcome::kAllow) return judgement;
    // A rule that denies says more than silence on another port; a refusal that audit lets pass goes before one that
    // it does not, since one such port is enough.
    const auto weight = [&](const Judgement& each) {
      return std::pair(each.outcome == Outcome::kRefuse, each.place != state.connect.place);
    };
    if (!best || weight(judgement) > weight(*best)) best = std::move(judgement);
  }
  return *best;
}

Judgement judge(const ProtocolState& state, const Reserved& reserved, const Request& request) {
  if ((state.protocol.rights & rights_for(request.operation)) == 0) {
    return {Outcome::kForbid, state.rights_place,
            "the protocol does not carry the right '" + std::string(to_string(request.operation)) + "'"};
  }
  return uses_ip(state.protocol.transport) ? judge_ip(state, request) : judge_unix(state, reserved, request);
}

}  // namespace wasi_netd::policy
