#pragma once
// Numbers with units, as policy files write them. Internal. Pure, any thread.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace wasi_netd::policy {

std::optional<uint64_t> parse_count(std::string_view text);                      // decimal digits only
std::optional<uint64_t> parse_size(std::string_view text);                       // "64MiB" in bytes
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);  // "500ms", "2s", "1m"

}  // namespace wasi_netd::policy
