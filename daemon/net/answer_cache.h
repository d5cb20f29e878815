#pragma once
// Answers of the resolver, each until its TTL has passed, at most `capacity` of them: the one that was not asked for
// longest makes room. The clock is the caller's, so this is a pure container. One loop's thread.
#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/net/net.h"

namespace wasi_netd::net {

class AnswerCache {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit AnswerCache(size_t capacity) : capacity_(capacity) {}

  // An answer without a TTL is not kept.
  void put(const std::string& name, const Answer&, Time now);
  // With the TTL that is left.
  std::optional<Answer> get(const std::string& name, Time now);
  size_t size() const { return by_name_.size(); }

 private:
  struct Entry {
    std::string name;
    Answer answer;
    Time expires;
  };
  using Entries = std::list<Entry>;  // the most recently asked for first
  void erase(Entries::iterator);

  const size_t capacity_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_name_;  // keys are the entries' names
};

}  // namespace wasi_netd::net
