#pragma once
// The rights a handle carries, as a set of bits (proto/wasi_netd/rights.def). Pure values, any thread.
#include <cstdint>
#include <optional>
#include <string_view>

namespace wasi_netd {

using RightSet = uint64_t;

namespace right {
#define WASI_NETD_RIGHT(name, bit, word) inline constexpr RightSet name = RightSet{1} << (bit);
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
inline constexpr RightSet kAll = 0
#define WASI_NETD_RIGHT(name, bit, word) | name
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
    ;
}  // namespace right

// The right a policy file calls `word`.
constexpr std::optional<RightSet> right_from_word(std::string_view word) {
#define WASI_NETD_RIGHT(name, bit, text) \
  if (word == text) return right::name;
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
  return std::nullopt;
}

}  // namespace wasi_netd
