#include "policy/printable.h"

namespace wasi_netd::policy {
namespace {

// The bytes of the control character that `text` begins with; 0: it begins with another.
size_t control_length(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 0x20 || byte == 0x7f) return 1;
  const bool c1 = byte == 0xc2 && text.size() > 1 && static_cast<unsigned char>(text[1]) - 0x80u < 0x20u;
  return c1 ? 2 : 0;
}

}  // namespace

bool has_control(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(1)) {
    if (control_length(text) != 0) return true;
  }
  return false;
}

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result;
  result.reserve(text.size());
  for (size_t escaped = 0; !text.empty(); text.remove_prefix(1)) {
    if (escaped == 0) escaped = control_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (escaped == 0) {
      result += text[0];
      continue;
    }
    result += "\\x";
    result += kHex[byte >> 4];
    result += kHex[byte & 15];
    --escaped;
  }
  return result;
}

}  // namespace wasi_netd::policy
