#include "policy/json_schema.h"

#include <map>
#include <utility>
#include <vector>

#include "policy/key_table.h"

namespace wasi_netd::policy {
namespace {

using Kind = Type::Kind;

// Prints types as indented JSON; named types go to "definitions" the first time they are met.
class Printer {
 public:
  std::string print(const Type& root) {
    std::string text = "{\n";
    text += "  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n";
    text += "  \"title\": \"wasi-netd tenant policy\",\n";
    text += join(members_of(root, 0), 1);
    text += ",\n  \"definitions\": {";
    std::string separator = "\n    ";
    for (const auto& [name, body] : definitions_) {
      text += separator + json_quote(name) + ": " + body;
      separator = ",\n    ";
    }
    return text + "\n  }\n}\n";
  }

 private:
  using Members = std::vector<std::pair<std::string, std::string>>;  // name, value already JSON

  static std::string indent(int depth) { return std::string(static_cast<size_t>(depth) * 2, ' '); }

  static std::string join(const Members& members, int depth) {
    std::string text;
    for (const auto& [name, value] : members) {
      text += (text.empty() ? "" : ",\n") + indent(depth) + json_quote(name) + ": " + value;
    }
    return text;
  }

  static std::string braces(const Members& members, int depth) {
    return members.empty() ? "{}" : "{\n" + join(members, depth + 1) + "\n" + indent(depth) + "}";
  }

  static std::string list(const std::vector<std::string>& values, int depth) {
    std::string text;
    for (const std::string& each : values) text += (text.empty() ? "\n" : ",\n") + indent(depth + 1) + each;
    return "[" + text + "\n" + indent(depth) + "]";
  }

  template <class Words>
  static std::string word_list(const Words& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + json_quote(word);
    return "[" + text + "]";
  }

  std::string value(const Type& type, std::string_view description, int depth) {
    Members members;
    if (!description.empty()) members.emplace_back("description", json_quote(description));
    if (!type.name.empty()) {
      const std::string name(type.name);
      if (!definitions_.contains(name)) {
        definitions_[name];  // reserves the name
        definitions_[name] = braces(members_of(type, 2), 2);
      }
      // Beside "$ref" draft 07 ignores everything, so the description needs a wrapper.
      members.emplace_back("allOf", "[{\"$ref\": " + json_quote("#/definitions/" + name) + "}]");
    } else {
      for (auto& member : members_of(type, depth)) members.push_back(std::move(member));
    }
    return braces(members, depth);
  }

  Members members_of(const Type& type, int depth) {
    switch (type.kind) {
      case Kind::kText:
        return text_members(type);
      case Kind::kInteger:
        return integer_members(type);
      case Kind::kTextOrInteger:
        return {{"anyOf",
                 list({braces(text_members(type), depth + 2), braces(integer_members(type), depth + 2)}, depth + 1)}};
      case Kind::kWord:
        return {{"enum", word_list(type.words)}};
      case Kind::kList:
        return list_members(type, depth);
      case Kind::kMap:
        return {{"type", json_quote("object")},
                {"patternProperties",
                 braces({{regular_expression(*type.form), value(*type.item, "", depth + 2)}}, depth + 1)},
                {"additionalProperties", "false"},
                {"minProperties", std::to_string(type.min)},
                {"maxProperties", std::to_string(type.max)}};
      case Kind::kObject:
        return keyed_members(type, depth);
    }
    return {};
  }

  Members list_members(const Type& type, int depth) {
    Members members{{"type", json_quote("array")},
                    {"items", value(*type.item, "", depth + 1)},
                    {"minItems", std::to_string(type.min)},
                    {"maxItems", std::to_string(type.max)}};
    const bool plain = type.item->kind == Kind::kText || type.item->kind == Kind::kWord;
    if (plain) members.emplace_back("uniqueItems", "true");
    return members;
  }

  static Members text_members(const Type& type) {
    Members members{{"type", json_quote("string")}};
    if (type.form == nullptr)
      members.emplace_back("minLength", "1");
    else
      members.emplace_back("pattern", json_quote(regular_expression(*type.form)));
    members.emplace_back("maxLength", std::to_string(kMaxText));
    return members;
  }

  static Members integer_members(const Type& type) {
    return {
        {"type", json_quote("integer")}, {"minimum", std::to_string(type.min)}, {"maximum", std::to_string(type.max)}};
  }

  Members keyed_members(const Type& type, int depth) {
    Members properties;
    std::vector<std::string_view> required;
    for (const Key& key : type.keys) {
      if (key.type == nullptr) continue;
      properties.emplace_back(std::string(key.name), value(*key.type, key.description, depth + 2));
      if (key.required) required.push_back(key.name);
    }
    Members members{{"type", json_quote("object")},
                    {"properties", braces(properties, depth + 1)},
                    {"additionalProperties", "false"}};
    if (!required.empty()) members.emplace_back("required", word_list(required));
    if (type.min > 0) members.emplace_back("minProperties", std::to_string(type.min));
    if (!type.exactly_one_of.empty()) {
      std::vector<std::string> choices;
      for (const std::string_view name : type.exactly_one_of) {
        choices.push_back("{\"required\": [" + json_quote(name) + "]}");
      }
      members.emplace_back("oneOf", list(choices, depth + 1));
    }
    return members;
  }

  std::map<std::string, std::string> definitions_;
};

}  // namespace

std::string json_quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += "\\u00";
      result += kHex[byte >> 4];
      result += kHex[byte & 15];
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string json_schema() { return Printer().print(policy_file_type()); }

}  // namespace wasi_netd::policy
