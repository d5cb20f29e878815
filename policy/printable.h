#pragma once
// Texts from files and peers on their way to a terminal or a log. Pure, any thread.
#include <string>
#include <string_view>

namespace wasi_netd::policy {

// Whether UTF-8 holds a control character (C0, DEL or C1): they move cursors, forge lines and end C strings.
bool has_control(std::string_view text);

// The text with each byte of a control character as \xNN.
std::string printable(std::string_view text);

}  // namespace wasi_netd::policy
