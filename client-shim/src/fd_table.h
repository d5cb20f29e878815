#pragma once
// A guest's descriptor numbers: small integers from 0, each the lowest free one when it was made, as POSIX has it.
//
// Owns what the numbers stand for. Guest's thread only. Pure: knows nothing of what an entry is.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace wasi_netd::shim {

template <class Entry>
class FdTable {
 public:
  // Under the lowest number that is free.
  int32_t insert(std::unique_ptr<Entry> entry) {
    while (x_lowest_free < x_entries.size() && x_entries[x_lowest_free]) ++x_lowest_free;
    if (x_lowest_free == x_entries.size()) {
      x_entries.push_back(std::move(entry));
    } else {
      x_entries[x_lowest_free] = std::move(entry);
    }
    return static_cast<int32_t>(x_lowest_free++);
  }

  // The entry, or nullptr for a number that is not open.
  Entry* find(int32_t fd) const { return is_open(fd) ? x_entries[static_cast<size_t>(fd)].get() : nullptr; }

  // Frees the number.
  std::unique_ptr<Entry> remove(int32_t fd) {
    if (!is_open(fd)) return nullptr;
    const auto index = static_cast<size_t>(fd);
    if (index < x_lowest_free) x_lowest_free = index;
    return std::move(x_entries[index]);
  }

  // Moves what `from` names to `to`; both are open and differ. Returns what `to` named.
  std::unique_ptr<Entry> renumber(int32_t from, int32_t to) {
    return std::exchange(x_entries[static_cast<size_t>(to)], remove(from));
  }

  // visit(fd, entry) in ascending order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (size_t i = 0; i < x_entries.size(); ++i) {
      if (x_entries[i]) visit(static_cast<int32_t>(i), *x_entries[i]);
    }
  }

 private:
  bool is_open(int32_t fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < x_entries.size() && x_entries[static_cast<size_t>(fd)];
  }

  std::vector<std::unique_ptr<Entry>> x_entries;
  size_t x_lowest_free = 0;  // no number below it is free
};

}  // namespace wasi_netd::shim
