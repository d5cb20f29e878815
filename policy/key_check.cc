#include "policy/key_check.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <unordered_map>

namespace wasi_netd::policy {
namespace {

using Kind = Type::Kind;

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 64;  // enough to recognise it
  return "'" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…'" : "'");
}

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

std::string_view kind_of(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "text";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a mapping";
  }
  return "nothing";
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// What YAML's core schema reads as a number or a truth value when it stands without quotes.
bool reads_as_other_type(std::string_view text) {
  constexpr std::string_view kTruths[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
  if (std::ranges::count(kTruths, text)) return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN")
    return true;
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  if (text.size() > 2 && (text.starts_with("0x") || text.starts_with("0o"))) {
    return std::ranges::all_of(text.substr(2), hex);
  }
  const size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view digits = text.substr(exponent + 1);
    if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
    if (!is_digits(digits)) return false;
    text = text.substr(0, exponent);
  }
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return is_digits(text);
  const std::string_view whole = text.substr(0, dot);
  const std::string_view fraction = text.substr(dot + 1);
  return (whole.empty() || is_digits(whole)) && (fraction.empty() || is_digits(fraction)) &&
         !(whole.empty() && fraction.empty());
}

class Checker {
 public:
  explicit Checker(Problems& problems) : problems_(problems) {}

  void check(const Type& type, Node& node) {
    switch (type.kind) {
      case Kind::kText:
        return check_text(type, node);
      case Kind::kInteger:
        return check_integer(type, node);
      case Kind::kTextOrInteger:
        return node.plain && is_digits(node.text) ? check_integer(type, node) : check_text(type, node);
      case Kind::kWord:
        return check_word(type, node);
      case Kind::kList:
        return check_list(type, node);
      case Kind::kMap:
      case Kind::kObject:
        return check_mapping(type, node);
    }
  }

 private:
  void reject(Node& node, std::string message) {
    node.rejected = true;
    problems_.error(node, std::move(message));
  }

  void wrong_type(const Type& type, Node& node) {
    std::string message = "expected " + expected(type) + ", found " + std::string(kind_of(node));
    // `[::]:80` without quotes is a list for YAML.
    if (type.kind == Kind::kText && node.kind == Node::Kind::kList)
      message += "; text that begins with '[' needs quotes";
    reject(node, std::move(message));
  }

  static std::string expected(const Type& type) {
    if (type.kind == Kind::kWord) return "one of " + listed(type.words);
    if (type.kind == Kind::kInteger && type.min != type.max) {
      return std::string(type.expected) + " from " + std::to_string(type.min) + " to " + std::to_string(type.max);
    }
    return std::string(type.expected);
  }

  static bool fits(const Type& type, std::string_view text) {
    return type.form == nullptr || matches(*type.form, text);
  }

  void check_text(const Type& type, Node& node) {
    if (node.kind != Node::Kind::kScalar) return wrong_type(type, node);
    if (node.text.size() > kMaxText) return reject(node, "longer than " + std::to_string(kMaxText) + " bytes");
    if (node.plain && reads_as_other_type(node.text)) {
      return reject(
          node, quoted(node.text) + " is a number or truth value in YAML; expected " + expected(type) + ", in quotes");
    }
    if (node.text.empty() || !fits(type, node.text)) {
      reject(node, "expected " + expected(type) + ", found " + quoted(node.text));
    }
  }

  void check_integer(const Type& type, Node& node) {
    if (node.kind != Node::Kind::kScalar) return wrong_type(type, node);
    uint64_t value = 0;
    const char* end = node.text.data() + node.text.size();
    const auto [stop, status] = std::from_chars(node.text.data(), end, value);
    const bool whole =
        status == std::errc{} && stop == end && node.plain && (node.text.size() == 1 || node.text[0] != '0');
    if (!whole || value < type.min || value > type.max) {
      reject(node, "expected " + expected(type) + ", found " + (node.plain ? "" : "the text ") + quoted(node.text));
    }
  }

  void check_word(const Type& type, Node& node) {
    if (node.kind != Node::Kind::kScalar) return wrong_type(type, node);
    if (std::ranges::count(type.words, node.text)) {
      if (node.plain && reads_as_other_type(node.text))
        reject(node, quoted(node.text) + " is a number or truth value in YAML; write it in quotes");
      return;
    }
    if (std::ranges::count(type.later_words, node.text)) {
      return reject(node, "this version does not support " + quoted(node.text) + "; expected " + expected(type));
    }
    reject(node, "expected " + expected(type) + ", found " + quoted(node.text) + suggestion(node.text, type.words));
  }

  void check_count(const Type& type, Node& node, std::string_view things) {
    const size_t count = node.items.size();
    if (count < type.min) {
      reject(node, count == 0 ? "empty: expected " + std::string(type.expected)
                              : "expected at least " + std::to_string(type.min) + " " + std::string(things));
    } else if (type.max != 0 && count > type.max) {
      reject(node, "more than " + std::to_string(type.max) + " " + std::string(things));
    }
  }

  void check_list(const Type& type, Node& node) {
    if (node.kind != Node::Kind::kList) return wrong_type(type, node);
    std::unordered_map<std::string_view, const Node*> seen;
    for (Node& item : node.items) {
      check(*type.item, item);
      if (item.kind != Node::Kind::kScalar || item.rejected) continue;
      const auto [first, fresh] = seen.emplace(item.text, &item);
      if (!fresh)
        reject(item, quoted(item.text) + " is in the list already, at line " + std::to_string(first->second->line));
    }
    check_count(type, node, "entries");
  }

  void check_mapping(const Type& type, Node& node) {
    if (node.kind != Node::Kind::kMap) return wrong_type(type, node);
    std::unordered_map<std::string_view, const Node*> seen;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      Node& key = node.keys[i];
      const auto [first, fresh] = seen.emplace(key.text, &key);
      if (!fresh) {
        reject(key,
               "the key " + quoted(key.text) + " is there already, at line " + std::to_string(first->second->line));
        continue;
      }
      if (type.kind == Kind::kMap)
        check_entry(type, key, node.items[i]);
      else
        check_member(type, key, node.items[i]);
    }
    check_presence(type, node);
    check_count(type, node, "keys");
  }

  void check_entry(const Type& type, Node& key, Node& value) {
    if (key.text.size() > kMaxText || !fits(type, key.text)) {
      return reject(key, quoted(key.text) + " cannot be a key here; expected " + std::string(type.expected));
    }
    check(*type.item, value);
  }

  void check_member(const Type& type, Node& key, Node& value) {
    const auto member = std::ranges::find(type.keys, std::string_view(key.text), &Key::name);
    if (member == type.keys.end()) {
      std::vector<std::string_view> names;
      for (const Key& each : type.keys) {
        if (each.type != nullptr) names.push_back(each.name);
      }
      return reject(
          key, "unknown key " + quoted(key.text) + suggestion(key.text, names) + "; expected one of " + listed(names));
    }
    if (member->type == nullptr) return reject(key, "this version does not support " + quoted(key.text));
    if (value.kind == Node::Kind::kNull) {
      value.line = key.line;  // yaml-cpp places nothing at the next token, which may be far away
      value.column = key.column;
    }
    check(*member->type, value);
  }

  void check_presence(const Type& type, Node& node) {
    const auto present = [&](std::string_view name) {
      return std::ranges::any_of(node.keys, [name](const Node& key) { return key.text == name; });
    };
    for (const Key& key : type.keys) {
      if (key.required && !present(key.name)) {
        problems_.error(node, "the key '" + std::string(key.name) + "' is missing; expected " + expected(*key.type));
      }
    }
    if (!type.exactly_one_of.empty() && std::ranges::count_if(type.exactly_one_of, present) != 1) {
      reject(node, "expected exactly one of " + listed(type.exactly_one_of));
    }
  }

  static std::string suggestion(std::string_view word, std::span<const std::string_view> words) {
    const std::string_view close = nearest(word, words);
    return close.empty() ? std::string() : " (did you mean '" + std::string(close) + "'?)";
  }

  Problems& problems_;
};

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> words) {
  if (word.size() > 64) return {};
  std::string_view best;
  size_t best_distance = 3;  // further than two edits is another word
  for (const std::string_view each : words) {
    const size_t distance = edit_distance(word, each);
    if (distance < best_distance && distance < each.size()) {
      best = each;
      best_distance = distance;
    }
  }
  return best;
}

void check_keys(const Type& type, Node& root, Problems& problems) { Checker(problems).check(type, root); }

}  // namespace wasi_netd::policy
