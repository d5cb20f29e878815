#include "engines/text.h"

namespace wasi_netd::engines {

std::string one_line(std::string_view text) {
  constexpr size_t kLongest = 300;
  std::string line;
  bool gap = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // U+0080 to U+009F in UTF-8: terminals take them for escape sequences.
    const bool c1 = c == '\xc2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) - 0x80U < 0x20U;
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || c1) {
      if (c1) ++i;
      gap = !line.empty();
      continue;
    }
    if (line.size() >= kLongest) return line + "...";
    if (gap) line += ' ';
    gap = false;
    line += c;
  }
  return line;
}

std::string unknown_import(std::string_view module, std::string_view name) {
  return "the module imports " + one_line(module) + "." + one_line(name) + ", which is not offered";
}

}  // namespace wasi_netd::engines
