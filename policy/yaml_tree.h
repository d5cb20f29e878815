#pragma once
// A policy file as a tree in which every node knows its place. Internal. Pure, any thread.
//
// Built from yaml-cpp's events, not its Node API, which drops duplicate keys and the places of keys. One document of
// bounded size and depth, without anchors, aliases and tags, so the tree is never larger than the text. yaml-cpp
// may read 1 MiB beyond what it tells, so it holds 250 MiB at most and not 2 GiB.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace wasi_netd::policy {

inline constexpr size_t kMaxPolicyBytes = size_t{8} << 20;

struct Node {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool plain = false;       // a scalar without quotes, which other YAML readers may take for a number
  bool rejected = false;    // an error was reported; readers pass over it
  int line = 0;             // 1-based
  int column = 0;           // 1-based, in bytes
  std::string text;         // of a scalar
  std::vector<Node> items;  // of a list; of a map the values
  std::vector<Node> keys;   // of a map, parallel to `items`

  // The value of `key`; null where it is absent or rejected.
  const Node* find(std::string_view key) const;
  const Node* find_key(std::string_view key) const;  // the key itself
};

// Collects the errors of one file.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  void error(const Node& at, std::string message) { add(errors_, at.line, at.column, std::move(message)); }
  void error_at(int line, int column, std::string message) { add(errors_, line, column, std::move(message)); }
  void warning(const Node& at, std::string message) { add(warnings_, at.line, at.column, std::move(message)); }
  bool ok() const { return errors_.empty(); }
  const std::string& file() const { return file_; }
  // In the order of the file, at most 100 of each kind.
  std::vector<LoadError> take_errors() { return sorted(std::move(errors_)); }
  std::vector<LoadError> take_warnings() { return sorted(std::move(warnings_)); }

 private:
  void add(std::vector<LoadError>& list, int line, int column, std::string message);
  static std::vector<LoadError> sorted(std::vector<LoadError> list);
  std::string file_;
  std::vector<LoadError> errors_;
  std::vector<LoadError> warnings_;
};

// nullopt: the text is not one acceptable YAML document, and the problem is reported.
std::optional<Node> parse_yaml(std::string_view text, Problems&);

}  // namespace wasi_netd::policy
