#include "policy/rule_text.h"

#include <algorithm>

#include "policy/ip_text.h"
#include "policy/port_map.h"

namespace wasi_netd::policy {
namespace {

// Port 0 asks the kernel to choose, which only binding can do.
uint16_t lowest_port(Operation section) { return section == Operation::kOpen ? 0 : 1; }

bool parse_ports(std::string_view text, Operation section, std::vector<PortRange>& ports, std::string& error) {
  PortMap seen;
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    const std::string_view item = text.substr(start, comma - start);
    const size_t dash = item.find('-');
    const std::optional<uint16_t> first = parse_decimal(item.substr(0, dash), 65535);
    const std::optional<uint16_t> last =
        dash == std::string_view::npos ? first : parse_decimal(item.substr(dash + 1), 65535);
    if (!first || !last || *first > *last) {
      error = "'" + std::string(item) + "' is not a port or a range of ports; expected 80, 1-1023 or 80,443";
      return false;
    }
    if (*first < lowest_port(section)) {
      error = "port 0 can never match here; expected ports 1..65535";
      return false;
    }
    const PortRange range{*first, *last};
    if (seen.overlaps(range)) {
      error = "'" + std::string(item) + "' repeats a port that the rule has already";
      return false;
    }
    seen.add(range, nullptr);
    ports.push_back(range);
    start = comma + 1;
  }
  return true;
}

// Where the ports begin: after the last ':' outside brackets.
size_t port_colon(std::string_view text) {
  const size_t bracket = text.find(']');
  return text.find(':', bracket == std::string_view::npos ? 0 : bracket);
}

std::optional<AddressBlock> parse_bracketed(std::string_view host, std::string& error) {
  const size_t close = host.find(']');
  if (close + 1 < host.size() && host[close + 1] != '/') {
    error = "expected an IPv6 block as [2001:db8::]/32";
    return std::nullopt;
  }
  const std::string inside(host.substr(1, close - 1));
  if (inside.find(':') == std::string::npos || inside.find('/') != std::string::npos) {
    error = "brackets hold one IPv6 address; the prefix length follows them: [2001:db8::]/32";
    return std::nullopt;
  }
  if (inside.find('%') != std::string::npos) {
    error = "a rule holds for every zone; write the address without '%'";
    return std::nullopt;
  }
  return parse_block(inside + std::string(host.substr(close + 1)), error);
}

std::optional<RulePattern> parse_ip_rule(std::string_view text, Transport transport, Operation section,
                                         std::string& error) {
  RulePattern rule;
  const bool bracketed = text.front() == '[';
  if (bracketed && text.find(']') == std::string_view::npos) {
    error = "expected an IPv6 block as [2001:db8::]/32";
    return std::nullopt;
  }
  if (!bracketed && std::ranges::count(text, ':') > 1) {
    error = "expected an IPv6 address in brackets: [2001:db8::]/32:443";
    return std::nullopt;
  }
  if (text.front() == '/' || text.front() == '@') {
    error = "a Unix socket's name can never match: the protocol's transport is " + std::string(to_string(transport));
    return std::nullopt;
  }
  const size_t colon = port_colon(text);
  const std::string_view host = text.substr(0, colon);
  if (colon == std::string_view::npos) {
    rule.ports.push_back({lowest_port(section), 65535});
  } else if (!parse_ports(text.substr(colon + 1), section, rule.ports, error)) {
    return std::nullopt;
  }

  const bool like_an_address = std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  if (bracketed || host.find('/') != std::string_view::npos || like_an_address) {
    const std::optional<AddressBlock> block = bracketed ? parse_bracketed(host, error) : parse_block(host, error);
    if (!block) return std::nullopt;
    rule.what = *block;
    return rule;
  }
  NamePattern pattern;
  pattern.wildcard = host.starts_with("*.");
  const std::optional<std::string> name = parse_name(pattern.wildcard ? host.substr(2) : host);
  if (!name) {
    const bool star = host.find('*') != std::string_view::npos;
    error = star ? "'*' stands only for whole labels in front of a name: *.example.com"
                 : "not a host name or an address; expected NAME:PORTS, *.NAME:PORTS, IPV4/LENGTH:PORTS or "
                   "[IPV6]/LENGTH:PORTS";
    return std::nullopt;
  }
  if (section != Operation::kConnect) {
    error = "a name can never match here: what is bound and who connects are addresses";
    return std::nullopt;
  }
  pattern.name = *name;
  rule.what = std::move(pattern);
  return rule;
}

std::optional<RulePattern> parse_unix_rule(std::string_view text, Operation section, std::string& error) {
  RulePattern rule;
  rule.ports.push_back({0, 65535});
  if (text == "*") {
    if (section == Operation::kAccept) {
      rule.what = UnixPattern{"", true};
      return rule;
    }
    error = "'*' (any peer) belongs in `accept`; expected /path, /directory/, @name or @prefix*";
    return std::nullopt;
  }
  // Taken for the character it would match nothing, and a deny rule would deny nothing.
  if (const size_t star = text.find('*');
      star != std::string_view::npos && (text.front() != '@' || star + 1 < text.size())) {
    error =
        "'*' stands only at the end of an abstract name, @prefix*; for every path below a directory write /directory/";
    return std::nullopt;
  }
  const bool directory = text.front() == '/' && text.back() == '/';
  const bool abstract_prefix = text.front() == '@' && text.back() == '*';
  std::string_view name = text;
  if (directory || abstract_prefix) name.remove_suffix(1);
  const bool everything = (directory && name.empty()) || (abstract_prefix && name == "@");
  const std::optional<Endpoint> endpoint = everything ? std::nullopt : parse_endpoint(name, Transport::kUnix);
  if (!everything && (!endpoint || is_any(*endpoint))) {
    error = text.front() == '/' || text.front() == '@'
                ? "expected a normal absolute path or an abstract name of at most 107 bytes, without '//', '.' or '..'"
                : "expected /path, /directory/, @name or @prefix*: the protocol's transport is unix";
    return std::nullopt;
  }
  rule.what = UnixPattern{std::string(directory ? text : name), directory || abstract_prefix};
  return rule;
}

}  // namespace

std::string unix_text(const UnixEndpoint& endpoint) { return endpoint.abstract ? "@" + endpoint.name : endpoint.name; }

std::optional<RulePattern> parse_rule(std::string_view text, Transport transport, Operation section,
                                      std::string& error) {
  if (text.empty()) {
    error = "a rule cannot be empty";
    return std::nullopt;
  }
  return uses_ip(transport) ? parse_ip_rule(text, transport, section, error) : parse_unix_rule(text, section, error);
}

}  // namespace wasi_netd::policy
