#pragma once
// The form of a short text in a policy file: which letters, how many, which ending. One description serves the loader,
// which matches by it, and the JSON Schema, which prints it as a regular expression. Pure values, any thread.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace wasi_netd::policy {

struct TextForm {
  std::string_view first = {};  // of the first character; empty: as `rest`
  std::string_view rest;        // as inside the brackets of a regular expression: "a-z0-9_-", a literal '-' last
  size_t min = 1;               // characters without the ending
  size_t max = 1;
  std::span<const std::string_view> endings = {};  // one of these follows; empty: none does
};

bool matches(const TextForm&, std::string_view text);
std::string regular_expression(const TextForm&);  // ECMAScript, anchored at both ends

}  // namespace wasi_netd::policy
