#include "policy/port_map.h"

#include <algorithm>

namespace wasi_netd::policy {

std::vector<PortMap::Entry>::const_iterator PortMap::first_not_below(uint32_t port) const {
  return std::ranges::lower_bound(entries_, port, {}, [](const Entry& entry) { return uint32_t{entry.ports.last}; });
}

bool PortMap::add(PortRange range, const Place* rule) {
  bool added = false;
  auto entry = first_not_below(range.first);
  for (uint32_t next = range.first; next <= range.last;) {
    if (entry != entries_.end() && entry->ports.first <= next) {
      next = uint32_t{entry->ports.last} + 1;
    } else {
      const uint32_t gap =
          entry == entries_.end() ? range.last : std::min<uint32_t>(range.last, entry->ports.first - 1u);
      const PortRange free{static_cast<uint16_t>(next), static_cast<uint16_t>(gap)};
      entry = entries_.insert(entry, {free, rule});
      added = true;
      next = gap + 1;
    }
    ++entry;
  }
  return added;
}

const Place* PortMap::find(uint16_t port) const {
  const auto entry = first_not_below(port);
  return entry != entries_.end() && entry->ports.first <= port ? entry->rule : nullptr;
}

bool PortMap::overlaps(PortRange range) const {
  const auto entry = first_not_below(range.first);
  return entry != entries_.end() && entry->ports.first <= range.last;
}

bool PortMap::covers(PortRange range) const {
  uint32_t next = range.first;
  for (auto entry = first_not_below(next); next <= range.last; ++entry) {
    if (entry == entries_.end() || entry->ports.first > next) return false;
    next = uint32_t{entry->ports.last} + 1;
  }
  return true;
}

}  // namespace wasi_netd::policy
