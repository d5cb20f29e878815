#pragma once
// Ports to rules: disjoint ranges in order, so that a look-up is one binary search. Internal. Pure, any thread.
#include <cstdint>
#include <vector>

#include "policy/rule_text.h"

namespace wasi_netd::policy {

// A place in the file that can decide: a rule, or a section or protocol that was silent. Owned by the policy's state.
struct Place {
  int line = 0;
  int column = 0;
  std::string text;
};

class PortMap {
 public:
  struct Entry {
    PortRange ports;
    const Place* rule;
  };

  // Where ports are taken already, the earlier rule keeps them. False when that is all of them.
  bool add(PortRange, const Place* rule);
  const Place* find(uint16_t port) const;  // null: no rule
  bool overlaps(PortRange) const;
  bool covers(PortRange) const;
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry>::const_iterator first_not_below(uint32_t port) const;
  std::vector<Entry> entries_;
};

}  // namespace wasi_netd::policy
