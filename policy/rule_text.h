#pragma once
// One rule as a policy file writes it, read into what it matches. Internal to the library. Pure, any thread.
//
//   tcp, udp:  NAME[:PORTS]   *.NAME[:PORTS]   IPV4[/LENGTH][:PORTS]   [IPV6][/LENGTH][:PORTS]
//   unix:      /path   /directory/   @abstract   @prefix*   *
//
// Names stand in `connect` only, "*" in `accept` only. PORTS are ports and ranges, comma separated: 80,443,8000-8100;
// without them the rule holds for every port.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policy/address_space.h"
#include "policy/policy.h"

namespace wasi_netd::policy {

struct PortRange {
  uint16_t first = 1;
  uint16_t last = 65535;
};

struct NamePattern {
  std::string name;       // normal form; of "*.x" the "x"
  bool wildcard = false;  // any number of labels before `name`, and at least one
};

// Unix names as one text: the path, '@' and the abstract name, or nothing for an unnamed peer.
struct UnixPattern {
  std::string text;
  bool prefix = false;
};
std::string unix_text(const UnixEndpoint&);

struct RulePattern {
  std::variant<AddressBlock, NamePattern, UnixPattern> what;
  std::vector<PortRange> ports;  // never empty; the full range for Unix
};

// `section` is kConnect, kOpen or kAccept. On failure nullopt, and `error` says what is wrong and what was expected.
std::optional<RulePattern> parse_rule(std::string_view text, Transport, Operation section, std::string& error);

}  // namespace wasi_netd::policy
