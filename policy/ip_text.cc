#include "policy/ip_text.h"

#include <algorithm>
#include <charconv>

namespace wasi_netd::policy {
namespace {

constexpr size_t kGroups = 8;

std::optional<uint16_t> parse_group(std::string_view text) {
  uint16_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, value, 16);
  if (text.size() > 4 || status != std::errc{} || stop != end) return std::nullopt;
  return value;
}

// Groups in order of reading, and where "::" stood among them.
struct Groups {
  std::array<uint16_t, kGroups> values{};
  size_t count = 0;
  std::optional<size_t> gap;

  bool push(uint16_t value) {
    if (count == kGroups) return false;
    values[count++] = value;
    return true;
  }
};

bool parse_part(std::string_view part, bool last, Groups& groups) {
  if (part.find('.') == std::string_view::npos) {
    const std::optional<uint16_t> group = parse_group(part);
    return group && groups.push(*group);
  }
  const auto octets = last ? parse_ipv4_text(part) : std::nullopt;
  return octets && groups.push(static_cast<uint16_t>((*octets)[0] << 8 | (*octets)[1])) &&
         groups.push(static_cast<uint16_t>((*octets)[2] << 8 | (*octets)[3]));
}

std::optional<Groups> parse_groups(std::string_view text) {
  Groups groups;
  if (text.starts_with("::")) {
    groups.gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const bool last = colon == std::string_view::npos;
    if (!parse_part(text.substr(0, colon), last, groups)) return std::nullopt;
    if (last) return groups;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;
    if (text.front() != ':') continue;
    if (groups.gap) return std::nullopt;
    groups.gap = groups.count;
    text.remove_prefix(1);
  }
  return groups;
}

}  // namespace

std::optional<uint16_t> parse_decimal(std::string_view text, uint16_t max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  if (value > max) return std::nullopt;
  return static_cast<uint16_t>(value);
}

std::optional<std::array<uint8_t, 4>> parse_ipv4_text(std::string_view text) {
  std::array<uint8_t, 4> octets{};
  for (size_t i = 0; i < octets.size(); ++i) {
    const size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
    const std::optional<uint16_t> value = parse_decimal(text.substr(0, dot), 255);
    if (!value) return std::nullopt;
    octets[i] = static_cast<uint8_t>(*value);
    if (i < 3) text.remove_prefix(dot + 1);
  }
  return octets;
}

std::optional<std::array<uint8_t, 16>> parse_ipv6_text(std::string_view text) {
  const std::optional<Groups> groups = parse_groups(text);
  // "::" stands for one group at least.
  if (!groups || (groups->gap ? groups->count >= kGroups : groups->count != kGroups)) return std::nullopt;
  std::array<uint8_t, 16> bytes{};
  const size_t missing = kGroups - groups->count;
  for (size_t i = 0; i < groups->count; ++i) {
    const size_t at = groups->gap && i >= *groups->gap ? i + missing : i;
    bytes[2 * at] = static_cast<uint8_t>(groups->values[i] >> 8);
    bytes[2 * at + 1] = static_cast<uint8_t>(groups->values[i] & 0xff);
  }
  return bytes;
}

std::string ipv4_text(const uint8_t* octets) {
  std::string text;
  for (int i = 0; i < 4; ++i) text += (i == 0 ? "" : ".") + std::to_string(octets[i]);
  return text;
}

std::string ipv6_text(const std::array<uint8_t, 16>& bytes) {
  std::array<uint16_t, kGroups> groups{};
  for (size_t i = 0; i < kGroups; ++i) groups[i] = static_cast<uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  size_t gap = kGroups;
  size_t gap_length = 1;  // a single zero group is written out
  for (size_t start = 0; start < kGroups; ++start) {
    size_t end = start;
    while (end < kGroups && groups[end] == 0) ++end;
    if (end - start > gap_length) {
      gap = start;
      gap_length = end - start;
    }
  }
  std::string text;
  for (size_t i = 0; i < kGroups;) {
    if (i == gap) {
      text += "::";
      i += gap_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    std::array<char, 4> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16).ptr;
    text.append(digits.data(), end);
    ++i;
  }
  return text;
}

}  // namespace wasi_netd::policy
