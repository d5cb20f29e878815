#pragma once
// Texts about modules for people. What a module names itself is hostile: it is cut and its control characters replaced.
#include <string>
#include <string_view>

namespace wasi_netd::engines {

// At most 300 bytes, without line breaks, tabs or other control characters; runs of them become one space.
std::string one_line(std::string_view text);
std::string unknown_import(std::string_view module, std::string_view name);

}  // namespace wasi_netd::engines
