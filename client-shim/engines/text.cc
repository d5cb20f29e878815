#include "engines/text.h"

namespace wasi_netd::engines {
namespace {

// Bytes of the well-formed UTF-8 sequence (RFC 3629) that `text`, which is not empty, begins with; 0: none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // Shuts out overlong forms, surrogates and what lies above U+10FFFF.
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

// C0 and C1 controls, DEL and the space.
bool is_gap(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first <= ' ' || first == 0x7f;
  return character.size() == 2 && first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

std::string_view take_character(std::string_view& text) {
  const size_t length = sequence_length(text);
  const std::string_view character = length == 0 ? "\xEF\xBF\xBD" : text.substr(0, length);
  text.remove_prefix(length == 0 ? 1 : length);
  return character;
}

std::string one_line(std::string_view text) {
  constexpr size_t kLongest = 300;
  std::string line;
  bool gap = false;
  while (!text.empty()) {
    const std::string_view character = take_character(text);
    if (is_gap(character)) {
      gap = !line.empty();
      continue;
    }
    if (line.size() + (gap ? 1 : 0) + character.size() > kLongest) return line + "...";
    if (gap) line += ' ';
    gap = false;
    line += character;
  }
  return line;
}

std::string unknown_import(std::string_view module, std::string_view name) {
  return "the module imports " + one_line(module) + "." + one_line(name) + ", which is not offered";
}

}  // namespace wasi_netd::engines
