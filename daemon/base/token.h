#pragma once
// An opaque name for a session or a handle: 128 bits from the kernel's generator, so that a guess never hits.
// Values; any thread.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace wasi_netd {

struct Token {
  std::array<uint8_t, 16> bytes{};

  static Token make();  // aborts when the kernel has no randomness: nothing safe can go on
  static std::optional<Token> parse(std::string_view raw);  // nullopt: not 16 bytes
  std::string raw() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  // The first 4 bytes in hex: enough to tell objects apart in a log, useless as a capability.
  std::string label() const;
  bool operator==(const Token&) const = default;
};

struct TokenHash {
  size_t operator()(const Token& token) const {
    size_t hash;  // the bytes are random already
    std::memcpy(&hash, token.bytes.data(), sizeof hash);
    return hash;
  }
};

}  // namespace wasi_netd
