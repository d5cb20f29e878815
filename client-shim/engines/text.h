#pragma once
// Texts about modules for people. What a module names itself is hostile: it is cut, its control characters are
// replaced, and what comes out is UTF-8 whatever went in.
#include <string>
#include <string_view>

namespace wasi_netd::engines {

// Takes the first character off `text`, which is not empty; U+FFFD for a byte that is no part of one.
std::string_view take_character(std::string_view& text);
// At most 300 bytes and "...", without line breaks, tabs or other control characters; runs of them become one space.
std::string one_line(std::string_view text);
std::string unknown_import(std::string_view module, std::string_view name);

}  // namespace wasi_netd::engines
