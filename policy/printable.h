#pragma once
// Texts from files and peers on their way to a terminal or a log. Pure, any thread.
#include <cstddef>
#include <string>
#include <string_view>

namespace wasi_netd::policy {

// Bytes of the character that `text` begins with; 0: it is not UTF-8.
size_t utf8_length(std::string_view text);

// UTF-8 without control characters (C0, DEL, C1), which move cursors, forge lines and end C strings.
bool is_printable(std::string_view text);

// The text with each byte of what is not printable as \xNN.
std::string printable(std::string_view text);

}  // namespace wasi_netd::policy
