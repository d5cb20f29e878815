#pragma once
// IP addresses as text. Internal; the library uses no socket header, so it has its own. Pure, any thread.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wasi_netd::policy {

// Decimal digits without leading zeros, 0..max.
std::optional<uint16_t> parse_decimal(std::string_view text, uint16_t max);

// Dotted quad: four decimal octets.
std::optional<std::array<uint8_t, 4>> parse_ipv4_text(std::string_view text);
// RFC 4291 section 2.2: eight groups, or fewer and one "::"; the last two may be a dotted quad. No zone.
std::optional<std::array<uint8_t, 16>> parse_ipv6_text(std::string_view text);

std::string ipv4_text(const uint8_t* octets);
std::string ipv6_text(const std::array<uint8_t, 16>& bytes);  // RFC 5952

}  // namespace wasi_netd::policy
