#include "host/guest_spec.h"

#include <charconv>

namespace wasi_netd::host {

std::optional<uint64_t> parse_right(std::string_view word) {
#define WASI_NETD_RIGHT(name, bit, text) \
  if (word == text) return uint64_t{1} << bit;
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
  return std::nullopt;
}

std::optional<EngineKind> parse_engine(std::string_view word) {
  for (const auto kind : {EngineKind::kWasmtime, EngineKind::kWabt}) {
    if (word == to_string(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  constexpr uint64_t kLeast = uint64_t{64} << 10;
  constexpr uint64_t kMost = uint64_t{4} << 30;
  uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(rest - text.data()));
  const int shift = unit.empty() ? 0 : unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : -1;
  if (shift < 0 || value > (kMost >> shift) || (value << shift) < kLeast) return std::nullopt;
  return value << shift;
}

std::optional<std::string> parse_name(const std::string& text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  constexpr size_t kLongest = 64;  // the daemon's limit
  const bool good = !text.empty() && text.size() <= kLongest && text.find_first_not_of(kLetters) == std::string::npos;
  if (!good) return std::nullopt;
  return text;
}

bool is_assignment(std::string_view text) {
  const size_t equals = text.find('=');
  return equals != std::string_view::npos && equals > 0 && text.find('\0') == std::string_view::npos;
}

std::string right_words() {
  std::string words;
#define WASI_NETD_RIGHT(name, bit, word) words += words.empty() ? word : ", " word;
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
  return words;
}

}  // namespace wasi_netd::host
