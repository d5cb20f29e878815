#include "policy/text_form.h"

#include <algorithm>

namespace wasi_netd::policy {
namespace {

bool is_among(std::string_view letters, char c) {
  for (size_t i = 0; i < letters.size(); ++i) {
    const bool range = i + 2 < letters.size() && letters[i + 1] == '-';
    if (range ? c >= letters[i] && c <= letters[i + 2] : c == letters[i]) return true;
    if (range) i += 2;
  }
  return false;
}

bool matches_letters(const TextForm& form, std::string_view text) {
  if (text.size() < form.min || text.size() > form.max) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view letters = i == 0 && !form.first.empty() ? form.first : form.rest;
    if (!is_among(letters, text[i])) return false;
  }
  return true;
}

}  // namespace

bool matches(const TextForm& form, std::string_view text) {
  if (form.endings.empty()) return matches_letters(form, text);
  return std::ranges::any_of(form.endings, [&](std::string_view ending) {
    return text.ends_with(ending) && matches_letters(form, text.substr(0, text.size() - ending.size()));
  });
}

std::string regular_expression(const TextForm& form) {
  const size_t before = form.first.empty() ? 0 : 1;
  std::string text = "^";
  if (before == 1) text += "[" + std::string(form.first) + "]";
  text += "[" + std::string(form.rest) + "]";
  text += "{" + std::to_string(form.min - before) + "," + std::to_string(form.max - before) + "}";
  std::string endings;
  for (const std::string_view ending : form.endings) endings += (endings.empty() ? "" : "|") + std::string(ending);
  return text + (endings.empty() ? "" : "(" + endings + ")") + "$";
}

}  // namespace wasi_netd::policy
