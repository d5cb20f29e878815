#pragma once
// The keys of a policy file, once: the loader checks files against this table and the JSON Schema is printed from it.
// Internal. Constant data, any thread.
#include <cstdint>
#include <span>
#include <string_view>

#include "policy/text_form.h"

namespace wasi_netd::policy {

struct Type;

struct Key {
  std::string_view name;
  const Type* type = nullptr;  // null: a key of the format that this version does not support
  bool required = false;
  std::string_view description = {};
};

struct Type {
  enum class Kind : uint8_t {
    kText,
    kInteger,
    kTextOrInteger,
    kWord,    // one of `words`
    kList,    // of `item`, no two texts alike
    kMap,     // of `item`, keys of the form `form`
    kObject,  // of `keys`
  };
  Kind kind = Kind::kText;
  std::string_view name = {};      // set where the schema refers to the type from several places
  std::string_view expected = {};  // for messages: "expected ..."
  const TextForm* form = nullptr;  // of the text, or of a map's keys; null: any text
  uint64_t min = 0;                // of integers the value, of lists, maps and objects the number of entries
  uint64_t max = 0;
  std::span<const std::string_view> words = {};
  std::span<const std::string_view> later_words = {};  // words that this version does not support
  const Type* item = nullptr;
  std::span<const Key> keys = {};
  std::span<const std::string_view> exactly_one_of = {};  // of an object's keys
};

// The whole file.
const Type& policy_file_type();

// Every text is at most this long: no rule, name or path needs more.
inline constexpr size_t kMaxText = 1024;

}  // namespace wasi_netd::policy
