#pragma once
// A guest's descriptor numbers: small integers from 0, each the lowest free one when it was made, as POSIX has it,
// except for those that are withheld.
//
// Owns what the numbers stand for. Guest's thread only. Pure: knows nothing of what an entry is.
#include <algorithm>
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
    while (lowest_free_ < entries_.size() && (entries_[lowest_free_] || is_withheld(lowest_free_))) ++lowest_free_;
    if (lowest_free_ == entries_.size()) {
      entries_.push_back(std::move(entry));
    } else {
      entries_[lowest_free_] = std::move(entry);
    }
    return static_cast<int32_t>(lowest_free_++);
  }

  // The next number that was never given stays closed for ever.
  void withhold() {
    withheld_.push_back(entries_.size());
    entries_.emplace_back();
  }

  // The entry, or nullptr for a number that is not open.
  Entry* find(int32_t fd) const { return is_open(fd) ? entries_[static_cast<size_t>(fd)].get() : nullptr; }

  // Frees the number.
  std::unique_ptr<Entry> remove(int32_t fd) {
    if (!is_open(fd)) return nullptr;
    const auto index = static_cast<size_t>(fd);
    if (index < lowest_free_) lowest_free_ = index;
    return std::move(entries_[index]);
  }

  // Moves what `from` names to `to`; both are open and differ. Returns what `to` named.
  std::unique_ptr<Entry> renumber(int32_t from, int32_t to) {
    return std::exchange(entries_[static_cast<size_t>(to)], remove(from));
  }

  // visit(fd, entry) in ascending order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i]) visit(static_cast<int32_t>(i), *entries_[i]);
    }
  }

 private:
  bool is_withheld(size_t index) const {
    return std::find(withheld_.begin(), withheld_.end(), index) != withheld_.end();
  }
  bool is_open(int32_t fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < entries_.size() && entries_[static_cast<size_t>(fd)];
  }

  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<size_t> withheld_;  // a few at most
  size_t lowest_free_ = 0;        // no number below it is free
};

}  // namespace wasi_netd::shim
