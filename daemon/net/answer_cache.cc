#include "daemon/net/answer_cache.h"

#include <utility>

namespace wasi_netd::net {

void AnswerCache::erase(Entries::iterator entry) {
  by_name_.erase(entry->name);
  entries_.erase(entry);
}

void AnswerCache::put(const std::string& name, const Answer& answer, Time now) {
  if (auto old = by_name_.find(name); old != by_name_.end()) erase(old->second);
  if (answer.ttl.count() <= 0 || capacity_ == 0) return;
  if (entries_.size() == capacity_) erase(std::prev(entries_.end()));
  entries_.push_front({name, answer, now + answer.ttl});
  by_name_.emplace(entries_.front().name, entries_.begin());
}

std::optional<Answer> AnswerCache::get(const std::string& name, Time now) {
  auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  auto entry = found->second;
  if (entry->expires <= now) {
    erase(entry);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  Answer answer = entry->answer;
  // Rounded down: an answer is never believed for longer than its owner said.
  answer.ttl = std::chrono::duration_cast<std::chrono::seconds>(entry->expires - now);
  return answer;
}

}  // namespace wasi_netd::net
