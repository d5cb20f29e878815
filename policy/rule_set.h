#pragma once
// The rules of one `allow` or `deny` list, indexed so that a look-up does not grow with their number. Internal.
//
// Built once by the loader, immutable afterwards; any thread. Names: one hash probe per label of the name asked for.
// Addresses: one probe per prefix length that occurs, longest first. Unix names: one per prefix length that occurs.
// Places are owned by the policy's state and outlive the set.
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/port_map.h"
#include "policy/rule_text.h"

namespace wasi_netd::policy {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

class BlockIndex {
 public:
  PortMap& at(const AddressBlock&);
  // Calls `visit(const PortMap&)` for each block of a length within the bounds that holds the address, longest first,
  // until it returns true.
  template <class Visit>
  void holding(AddressBits address, int min_length, int max_length, Visit visit) const {
    for (const Level& level : levels_) {
      if (level.length > max_length) continue;
      if (level.length < min_length) return;
      const auto found = level.blocks.find(masked(address, level.length));
      if (found != level.blocks.end() && visit(found->second)) return;
    }
  }

 private:
  struct BitsHash {
    size_t operator()(const AddressBits& bits) const;
  };
  struct Level {
    int length;
    std::unordered_map<AddressBits, PortMap, BitsHash> blocks;
  };
  std::vector<Level> levels_;  // longest first
};

class NameIndex {
 public:
  PortMap& at(const NamePattern&);
  // As BlockIndex::holding: the name itself, then wildcards from the longest.
  template <class Visit>
  void holding(std::string_view name, bool exact, Visit visit) const {
    if (exact) {
      const auto found = exact_.find(name);
      if (found != exact_.end() && visit(found->second)) return;
    }
    for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
      const std::string_view suffix = name.substr(dot + 1);
      if (suffix.size() > longest_wildcard_) continue;
      const auto found = wildcards_.find(suffix);
      if (found != wildcards_.end() && visit(found->second)) return;
    }
  }
  const PortMap* wildcard(std::string_view name) const;

 private:
  TextMap<PortMap> exact_;
  TextMap<PortMap> wildcards_;
  size_t longest_wildcard_ = 0;
};

class UnixIndex {
 public:
  bool add(const UnixPattern&, const Place*);  // false: there already
  const Place* find(std::string_view text) const;
  const Place* find_prefix(std::string_view text) const;  // a prefix rule that holds `text`, the longest first
 private:
  struct Level {
    size_t length;
    TextMap<const Place*> prefixes;
  };
  TextMap<const Place*> exact_;
  std::vector<Level> levels_;  // longest first
};

class RuleSet {
 public:
  // False when earlier rules decide everything this one could: a duplicate.
  bool add(const RulePattern&, const Place*);

  // The rule that decides, the most specific first; null: none matches. `min_length` leaves wider blocks out.
  const Place* find(const IpAddress&, uint16_t port, int min_length = 0) const;
  const Place* find(std::string_view name, uint16_t port) const;
  const Place* find(const UnixEndpoint&) const;

  // One of the rules that together match everything `pattern` does; null: something is left.
  const Place* covering(const RulePattern& pattern) const;

  // The port ranges that rules give for this address or name.
  void ports_of(const IpAddress&, std::vector<PortRange>& ports) const;
  void ports_of(std::string_view name, std::vector<PortRange>& ports) const;

 private:
  const BlockIndex& blocks(Family family) const { return family == Family::kIpv4 ? ipv4_ : ipv6_; }
  BlockIndex ipv4_;
  BlockIndex ipv6_;
  NameIndex names_;
  UnixIndex unix_;
};

}  // namespace wasi_netd::policy
