#include "engines/text.h"

namespace wasi_netd::engines {

std::string one_line(std::string_view text) {
  constexpr size_t kLongest = 300;
  std::string line;
  bool gap = false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
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
