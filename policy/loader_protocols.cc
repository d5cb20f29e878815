// The `protocols:` part of a policy file.
#include <algorithm>

#include "policy/loader.h"
#include "policy/values.h"

namespace wasi_netd::policy {
namespace {

using namespace std::chrono_literals;

constexpr uint16_t kDnsPort = 53;

struct SectionKey {
  std::string_view key;
  Operation operation;
  Section ProtocolState::*section;
  RightSet other_rights;  // what else its rules answer
};
constexpr SectionKey kSections[] = {
    {"connect", Operation::kConnect, &ProtocolState::connect, right::net_resolve | right::net_send_to},
    {"open", Operation::kOpen, &ProtocolState::open, 0},
    {"accept", Operation::kAccept, &ProtocolState::accept, right::net_recv_from},
};

std::optional<IpEndpoint> parse_server(std::string_view text) {
  if (const std::optional<IpAddress> address = parse_ip(text)) return IpEndpoint{*address, kDnsPort};
  const std::optional<Endpoint> endpoint = parse_endpoint(text, Transport::kTcp);
  if (!endpoint || !std::holds_alternative<IpEndpoint>(*endpoint)) return std::nullopt;
  return std::get<IpEndpoint>(*endpoint);
}

}  // namespace

void Loader::read_protocols(const Node& root) {
  const Node* protocols = root.find("protocols");
  if (protocols == nullptr) return;
  state_->protocols_place = place(*root.find_key("protocols"), "protocols");
  for (size_t i = 0; i < protocols->keys.size(); ++i) {
    if (!protocols->keys[i].rejected && !protocols->items[i].rejected)
      read_protocol(protocols->keys[i], protocols->items[i]);
  }
}

void Loader::read_protocol(const Node& key, const Node& node) {
  const Node* transport = node.find("transport");
  if (transport == nullptr) return;  // without it nothing else can be judged
  ProtocolState& state = state_->protocols[key.text];
  state.place = place(key, key.text);
  state.protocol.name = key.text;
  state.protocol.transport = transport->text == "tcp"   ? Transport::kTcp
                             : transport->text == "udp" ? Transport::kUdp
                                                        : Transport::kUnix;
  state.protocol.where = {problems_.file(), key.line, key.column, key.text};
  read_families(node, state);
  for (const SectionKey& each : kSections) {
    Section& section = state.*(each.section);
    section.place = state.place;
    if (const Node* rules = node.find(each.key)) {
      section.place = place(*node.find_key(each.key), std::string(each.key));
      read_section(*rules, each.operation, state, section);
    }
  }
  read_rights(node, state);
  read_resolver(node, state);
  read_tls(node, state);
  read_proxy(node, state);
}

std::string Loader::read_file(const Node& section, std::string_view key, bool secret) {
  const Node* path = section.find(key);
  if (path == nullptr) return {};
  files_.push_back({path->text, path->line, path->column, secret});
  return path->text;
}

void Loader::read_timeout(const Node& section, std::string_view key, std::chrono::milliseconds& timeout) {
  const Node* node = section.find(key);
  if (node == nullptr) return;
  const std::optional<std::chrono::milliseconds> value = parse_duration(node->text);
  if (value && *value >= 10ms && *value <= 5min)
    timeout = *value;
  else
    problems_.error(*node, "expected a duration from 10ms to 5m, found '" + node->text + "'");
}

void Loader::read_families(const Node& node, ProtocolState& state) {
  state.families_place = state.place;
  const Node* families = node.find("families");
  if (families == nullptr) {
    if (uses_ip(state.protocol.transport)) state.protocol.families = {Family::kIpv6, Family::kIpv4};
    return;
  }
  const Node& key = *node.find_key("families");
  if (!uses_ip(state.protocol.transport)) problems_.error(key, "`families` has no meaning for transport unix");
  state.families_place = place(key, "families");
  for (const Node& item : families->items) {
    if (!item.rejected) state.protocol.families.push_back(item.text == "ipv4" ? Family::kIpv4 : Family::kIpv6);
  }
}

void Loader::read_rights(const Node& node, ProtocolState& state) {
  const auto has = [&](std::string_view key) { return node.find_key(key) != nullptr; };
  const Sections sections{has("connect"), has("open"), has("accept"), has("tls")};
  const RightSet implied = implied_rights(state.protocol.transport, sections, state_->audit);
  state.rights_place = state.place;
  state.protocol.rights = implied;
  if (implied == 0)
    problems_.error_at(state.place->line, state.place->column,
                       "the protocol can do nothing; expected `connect`, `open` or `accept`");
  const Node* rights = node.find("rights");
  if (rights == nullptr) return;

  const Node& rights_key = *node.find_key("rights");
  state.rights_place = place(rights_key, "rights");
  state.protocol.rights = 0;
  bool complete = true;
  for (const Node& item : rights->items) {
    complete = complete && !item.rejected;
    if (item.rejected) continue;
    const RightSet right = right_from_word(item.text).value_or(0);
    if ((right & implied) == 0 && implied != 0) {
      problems_.error(item, "the right '" + item.text + "' has no use here: no section of the protocol implies it");
    }
    state.protocol.rights |= right;
  }
  if (!complete) return;
  for (const SectionKey& each : kSections) {
    if (has(each.key) && (state.protocol.rights & (rights_for(each.operation) | each.other_rights)) == 0) {
      problems_.error(*node.find_key(each.key), "the rules of `" + std::string(each.key) +
                                                    "` can never match: `rights` lacks '" +
                                                    std::string(to_string(each.operation)) + "'");
    }
  }
}

void Loader::read_section(const Node& node, Operation operation, ProtocolState& state, Section& section) {
  const Node* deny = node.find("deny");
  const Node* allow = node.find("allow");
  if (deny != nullptr) read_rules(*deny, operation, state, nullptr, section.deny);
  if (allow != nullptr) read_rules(*allow, operation, state, &section.deny, section.allow);
}

void Loader::read_rules(const Node& list, Operation operation, const ProtocolState& state, const RuleSet* shadowed_by,
                        RuleSet& rules) {
  for (const Node& item : list.items) {
    if (item.rejected) continue;
    std::string error;
    const std::optional<RulePattern> rule = parse_rule(item.text, state.protocol.transport, operation, error);
    if (!rule) {
      problems_.error(item, "'" + item.text + "': " + error);
      continue;
    }
    const auto* block = std::get_if<AddressBlock>(&rule->what);
    if (block != nullptr && !std::ranges::count(state.protocol.families, block->network.family)) {
      problems_.error(item, "'" + item.text + "' can never match: `families` lacks its address family");
    }
    const auto* name = std::get_if<UnixPattern>(&rule->what);
    if (name != nullptr && name->text.find_first_of("?[{") != std::string::npos) {
      problems_.warning(item, "'" + item.text +
                                  "' holds '?', '[' or '{', which stand for themselves: only /directory/ and " +
                                  "@prefix* are patterns");
    }
    if (shadowed_by != nullptr && name != nullptr && is_reserved(state_->reserved, name->text)) {
      problems_.error(item, "'" + item.text + "' can never match: the path is the daemon's own");
    }
    const Place* denial = shadowed_by != nullptr ? shadowed_by->covering(*rule) : nullptr;
    if (denial != nullptr) {
      problems_.error(item, "'" + item.text + "' can never match: '" + denial->text + "' at line " +
                                std::to_string(denial->line) + " denies it");
    } else if (!rules.add(*rule, place(item, item.text))) {
      problems_.error(item, "'" + item.text + "' can never decide: earlier rules say the same");
    }
  }
}

void Loader::read_resolver(const Node& node, ProtocolState& state) {
  const Node* section = node.find("resolver");
  if (section == nullptr) return;
  const Node& key = *node.find_key("resolver");
  if (!uses_ip(state.protocol.transport))
    problems_.error(key, "`resolver` has no meaning for transport unix");
  else if (node.find_key("connect") == nullptr && !state_->audit) {
    problems_.error(key, "`resolver` is never used: the protocol has no `connect`");
  }
  Protocol::Resolver& resolver = state.protocol.resolver;
  if (const Node* servers = section->find("servers")) {
    for (const Node& item : servers->items) {
      if (item.rejected) continue;
      const std::optional<IpEndpoint> server = parse_server(item.text);
      const AddressClass kind = server ? classify(server->address) : AddressClass::kMulticast;
      if (!server || server->port == 0 || kind == AddressClass::kMulticast || kind == AddressClass::kUnspecified) {
        problems_.error(item, "expected a DNS server as ADDRESS, IPV4:PORT or [IPV6]:PORT, found '" + item.text + "'");
      } else {
        resolver.servers.push_back(*server);
      }
    }
  }
  read_timeout(*section, "timeout", resolver.timeout);
  if (const Node* hosts = section->find("hosts")) read_hosts(*hosts, resolver);
}

void Loader::read_hosts(const Node& hosts, Protocol::Resolver& resolver) {
  for (size_t i = 0; i < hosts.keys.size(); ++i) {
    const Node& key = hosts.keys[i];
    if (key.rejected || hosts.items[i].rejected) continue;
    const std::optional<std::string> name = parse_name(key.text);
    if (!name) {
      problems_.error(key, "expected a host name, found '" + key.text + "'");
      continue;
    }
    if (resolver.hosts.contains(*name)) problems_.error(key, "the host '" + *name + "' is there already");
    std::vector<IpAddress>& addresses = resolver.hosts[*name];
    for (const Node& item : hosts.items[i].items) {
      if (item.rejected) continue;
      if (const std::optional<IpAddress> address = parse_ip(item.text))
        addresses.push_back(*address);
      else
        problems_.error(item, "expected an IP address, found '" + item.text + "'");
    }
  }
}

// Asks the rules, so it runs when all of them are there.
void Loader::check_hosts(const Node& root) {
  for (const auto& [protocol, state] : state_->protocols) {
    if (state.protocol.resolver.hosts.empty()) continue;
    const Node& hosts = *root.find("protocols")->find(protocol)->find("resolver")->find("hosts");
    for (size_t i = 0; i < hosts.keys.size(); ++i) {
      const std::string name = *parse_name(hosts.keys[i].text);
      if (judge_some_port(state, NameEndpoint{name, 0}, std::nullopt).outcome != Judgement::Outcome::kAllow) {
        problems_.error(hosts.keys[i], "no rule of `connect` allows the host '" + name + "'");
        continue;
      }
      for (const Node& item : hosts.items[i].items) {
        const Judgement judgement = judge_some_port(state, IpEndpoint{*parse_ip(item.text), 0}, name);
        if (judgement.outcome == Judgement::Outcome::kAllow) continue;
        problems_.warning(item, "'" + item.text + "' can never be connected to by this name: " + judgement.reason);
      }
    }
  }
}

}  // namespace wasi_netd::policy
