#include "policy/rule_set.h"

#include <algorithm>

namespace wasi_netd::policy {
namespace {

constexpr int kLongest = 128;

// Rules that hold a pattern add their ports here; it is covered when its own ports are among them.
class Coverage {
 public:
  explicit Coverage(const std::vector<PortRange>& wanted) : wanted_(wanted) {}
  bool operator()(const PortMap& ports) {
    for (const PortMap::Entry& entry : ports.entries()) union_.add(entry.ports, entry.rule);
    complete_ = std::ranges::all_of(wanted_, [this](PortRange range) { return union_.covers(range); });
    return complete_;
  }
  const Place* result() const { return complete_ ? union_.find(wanted_.front().first) : nullptr; }

 private:
  const std::vector<PortRange>& wanted_;
  PortMap union_;
  bool complete_ = false;
};

}  // namespace

size_t BlockIndex::BitsHash::operator()(const AddressBits& bits) const {
  uint64_t mixed = (bits.high ^ (bits.low * 0x9e37'79b9'7f4a'7c15)) * 0xbf58'476d'1ce4'e5b9;
  return static_cast<size_t>(mixed ^ (mixed >> 32));
}

PortMap& BlockIndex::at(const AddressBlock& block) {
  auto level = std::ranges::find_if(levels_, [&](const Level& each) { return each.length <= block.length; });
  if (level == levels_.end() || level->length != block.length) level = levels_.insert(level, {block.length, {}});
  return level->blocks[bits_of(block.network)];
}

PortMap& NameIndex::at(const NamePattern& pattern) {
  if (!pattern.wildcard) return exact_[pattern.name];
  longest_wildcard_ = std::max(longest_wildcard_, pattern.name.size());
  return wildcards_[pattern.name];
}

const PortMap* NameIndex::wildcard(std::string_view name) const {
  const auto found = wildcards_.find(name);
  return found == wildcards_.end() ? nullptr : &found->second;
}

bool UnixIndex::add(const UnixPattern& pattern, const Place* rule) {
  if (!pattern.prefix) return exact_.emplace(pattern.text, rule).second;
  const size_t length = pattern.text.size();
  auto level = std::ranges::find_if(levels_, [&](const Level& each) { return each.length <= length; });
  if (level == levels_.end() || level->length != length) level = levels_.insert(level, {length, {}});
  return level->prefixes.emplace(pattern.text, rule).second;
}

const Place* UnixIndex::find(std::string_view text) const {
  const auto found = exact_.find(text);
  return found != exact_.end() ? found->second : find_prefix(text);
}

const Place* UnixIndex::find_prefix(std::string_view text) const {
  for (const Level& level : levels_) {
    if (level.length > text.size()) continue;
    const auto found = level.prefixes.find(text.substr(0, level.length));
    if (found != level.prefixes.end()) return found->second;
  }
  return nullptr;
}

bool RuleSet::add(const RulePattern& pattern, const Place* rule) {
  if (const auto* name = std::get_if<UnixPattern>(&pattern.what)) return unix_.add(*name, rule);
  PortMap* ports = nullptr;
  if (const auto* block = std::get_if<AddressBlock>(&pattern.what)) {
    ports = &(block->network.family == Family::kIpv4 ? ipv4_ : ipv6_).at(*block);
  } else {
    ports = &names_.at(std::get<NamePattern>(pattern.what));
  }
  bool added = false;
  for (const PortRange range : pattern.ports) added = ports->add(range, rule) || added;
  return added;
}

const Place* RuleSet::find(const IpAddress& address, uint16_t port, int min_length) const {
  const Place* rule = nullptr;
  blocks(address.family).holding(bits_of(address), min_length, kLongest, [&](const PortMap& ports) {
    rule = ports.find(port);
    return rule != nullptr;
  });
  return rule;
}

const Place* RuleSet::find(std::string_view name, uint16_t port) const {
  const Place* rule = nullptr;
  names_.holding(name, true, [&](const PortMap& ports) {
    rule = ports.find(port);
    return rule != nullptr;
  });
  return rule;
}

const Place* RuleSet::find(const UnixEndpoint& endpoint) const { return unix_.find(unix_text(endpoint)); }

const Place* RuleSet::covering(const RulePattern& pattern) const {
  if (const auto* name = std::get_if<UnixPattern>(&pattern.what)) {
    return name->prefix ? unix_.find_prefix(name->text) : unix_.find(name->text);
  }
  Coverage coverage(pattern.ports);
  if (const auto* block = std::get_if<AddressBlock>(&pattern.what)) {
    // A longer block holds only a part of this one, so only equal and shorter ones count.
    blocks(block->network.family).holding(bits_of(block->network), 0, block->length, std::ref(coverage));
  } else {
    const auto& name = std::get<NamePattern>(pattern.what);
    const PortMap* same = name.wildcard ? names_.wildcard(name.name) : nullptr;
    if (same == nullptr || !coverage(*same)) names_.holding(name.name, !name.wildcard, std::ref(coverage));
  }
  return coverage.result();
}

void RuleSet::ports_of(const IpAddress& address, std::vector<PortRange>& result) const {
  blocks(address.family).holding(bits_of(address), 0, kLongest, [&](const PortMap& ports) {
    for (const PortMap::Entry& entry : ports.entries()) result.push_back(entry.ports);
    return false;
  });
}

void RuleSet::ports_of(std::string_view name, std::vector<PortRange>& result) const {
  names_.holding(name, true, [&](const PortMap& ports) {
    for (const PortMap::Entry& entry : ports.entries()) result.push_back(entry.ports);
    return false;
  });
}

}  // namespace wasi_netd::policy
