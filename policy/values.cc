#include "policy/values.h"

#include <charconv>
#include <span>
#include <utility>

namespace wasi_netd::policy {
namespace {

using Unit = std::pair<std::string_view, uint64_t>;

// A whole number directly followed by one of the units.
std::optional<uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc{}) return std::nullopt;
  const std::string_view unit(stop, static_cast<size_t>(end - stop));
  for (const auto& [name, factor] : units) {
    if (name == unit && number <= UINT64_MAX / factor) return number * factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_count(std::string_view text) {
  constexpr Unit kNone[] = {{"", 1}};
  return parse_with_unit(text, kNone);
}

std::optional<uint64_t> parse_size(std::string_view text) {
  constexpr Unit kSizes[] = {{"KiB", uint64_t{1} << 10}, {"MiB", uint64_t{1} << 20}, {"GiB", uint64_t{1} << 30}};
  return parse_with_unit(text, kSizes);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr Unit kTimes[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}};
  const std::optional<uint64_t> number = parse_with_unit(text, kTimes);
  // chrono counts in signed numbers.
  if (!number || *number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(*number));
}

}  // namespace wasi_netd::policy
