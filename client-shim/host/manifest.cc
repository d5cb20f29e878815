#include "host/manifest.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <yaml-cpp/yaml.h>

#include "engines/text.h"

namespace wasi_netd::host {
namespace {

constexpr size_t kMaxText = 1 << 20;
constexpr uint64_t kMaxGuests = 10000;

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)), directory_(std::filesystem::path(path_).parent_path()) {}

  Manifest read(const std::string& text) {
    try {
      const auto documents = YAML::LoadAll(text);
      if (documents.size() == 1) {
        read_root(documents[0]);
      } else {
        manifest_.errors.push_back(path_ + ":1:1: expected one YAML document, found " +
                                   std::to_string(documents.size()));
      }
    } catch (const YAML::Exception& error) {
      report(error.mark, error.msg);
    }
    return std::move(manifest_);
  }

 private:
  // The message may show the file's own text, which must not forge a line or control a terminal.
  void report(const YAML::Mark& mark, const std::string& message) {
    const int line = mark.is_null() ? 1 : mark.line + 1;
    const int column = mark.is_null() ? 1 : mark.column + 1;
    manifest_.errors.push_back(path_ + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " +
                               engines::one_line(message));
  }

  // Calls on_key(key text, key node, value node) for each key of a map, once; a repeated key is an error.
  template <class OnKey>
  void each_key(const YAML::Node& map, const OnKey& on_key) {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        report(entry.first.Mark(), "expected a key");
      } else if (!seen.insert(entry.first.Scalar()).second) {
        report(entry.first.Mark(), "'" + entry.first.Scalar() + "' stands here twice");
      } else {
        on_key(entry.first.Scalar(), entry.first, entry.second);
      }
    }
  }

  void read_root(const YAML::Node& root) {
    if (!root.IsMap()) return report(root.Mark(), "expected 'guests:' with a list of guests");
    bool found = false;
    each_key(root, [&](const std::string& key, const YAML::Node& where, const YAML::Node& value) {
      if (key != "guests") return report(where.Mark(), "unknown key '" + key + "', expected 'guests'");
      found = true;
      if (!value.IsSequence() || value.size() == 0) return report(value.Mark(), "expected a list of guests");
      for (const auto& guest : value) read_guest(guest);
    });
    if (!found) report(root.Mark(), "'guests:' is missing");
  }

  void read_guest(const YAML::Node& node) {
    if (!node.IsMap()) return report(node.Mark(), "expected a guest: a map with 'socket' and 'wasm'");
    GuestSpec guest;
    guest.stdio[0].kind = Stdio::Kind::kNull;
    uint64_t count = 1;
    each_key(node, [&](const std::string& key, const YAML::Node& where, const YAML::Node& value) {
      if (key == "count") {
        read_count(value, &count);
      } else if (!read_key(key, value, &guest)) {
        report(where.Mark(), "unknown key '" + key +
                                 "', expected name, socket, wasm, args, env, rights, engine, count, max_memory, stdin, "
                                 "stdout or stderr");
      }
    });
    for (const char* key : {"socket", "wasm"}) {
      if (!node[key]) report(node.Mark(), std::string("the guest has no '") + key + "'");
    }
    add(std::move(guest), count, node);
  }

  void add(GuestSpec guest, uint64_t count, const YAML::Node& node) {
    if (manifest_.guests.size() + count > kMaxGuests) {
      return report(node.Mark(), "more than " + std::to_string(kMaxGuests) + " guests");
    }
    const std::string base = guest.name.empty() ? std::filesystem::path(guest.wasm).stem().string() : guest.name;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t& number = numbers_[base];
      do {
        guest.label = ++number == 1 ? base : base + "#" + std::to_string(number);
      } while (!labels_.insert(guest.label).second);
      manifest_.guests.push_back(guest);
    }
  }

  bool read_key(const std::string& key, const YAML::Node& value, GuestSpec* guest) {
    if (key == "name") {
      read_parsed(value, parse_name, kNameHint, &guest->name);
    } else if (key == "socket") {
      read_path(value, &guest->socket);
    } else if (key == "wasm") {
      read_path(value, &guest->wasm);
    } else if (key == "args") {
      each_text(value, "a list of arguments",
                [&](const std::string& text, const YAML::Node&) { guest->args.push_back(text); });
    } else if (key == "env") {
      read_env(value, &guest->env);
    } else if (key == "rights") {
      read_rights(value, &guest->rights);
    } else if (key == "engine") {
      read_parsed(value, parse_engine, "wasmtime or wabt", &guest->engine);
    } else if (key == "max_memory") {
      read_parsed(value, parse_size, kSizeHint, &guest->max_memory);
    } else if (key == "stdin" || key == "stdout" || key == "stderr") {
      read_stdio(value, &guest->stdio[key == "stdin" ? 0 : key == "stdout" ? 1 : 2]);
    } else {
      return false;
    }
    return true;
  }

  // A scalar without NUL; nullopt after an error was reported.
  std::optional<std::string> text(const YAML::Node& node, std::string_view expected) {
    if (node.IsScalar() && node.Scalar().find('\0') == std::string::npos) return node.Scalar();
    report(node.Mark(), "expected " + std::string(expected));
    return std::nullopt;
  }

  template <class OnText>
  void each_text(const YAML::Node& list, std::string_view expected, const OnText& on_text) {
    if (!list.IsSequence()) return report(list.Mark(), "expected " + std::string(expected));
    for (const auto& item : list) {
      if (const auto got = text(item, "a text")) on_text(*got, item);
    }
  }

  template <class Parse, class Value>
  void read_parsed(const YAML::Node& node, const Parse& parse, std::string_view expected, Value* out) {
    const auto got = text(node, expected);
    if (!got) return;
    if (const auto value = parse(*got)) {
      *out = *value;
    } else {
      report(node.Mark(), "expected " + std::string(expected) + ", found '" + *got + "'");
    }
  }

  void read_count(const YAML::Node& node, uint64_t* count) {
    const auto parse = [](const std::string& digits) -> std::optional<uint64_t> {
      uint64_t value = 0;
      const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      const bool whole = error == std::errc() && rest == digits.data() + digits.size();
      if (!whole || value == 0 || value > kMaxGuests) return std::nullopt;
      return value;
    };
    read_parsed(node, parse, "a number from 1 to " + std::to_string(kMaxGuests), count);
  }

  void read_path(const YAML::Node& node, std::string* path) {
    const auto got = text(node, "a path");
    if (!got) return;
    if (got->empty()) return report(node.Mark(), "expected a path, found an empty text");
    *path = (directory_ / *got).string();
  }

  void read_env(const YAML::Node& node, std::vector<std::string>* env) {
    if (!node.IsMap()) return report(node.Mark(), "expected a map of names to values");
    each_key(node, [&](const std::string& key, const YAML::Node& where, const YAML::Node& value) {
      const auto got = text(value, "a value for " + key);
      if (!got) return;
      std::string assignment = key + "=" + *got;
      if (key.find('=') != std::string::npos || !is_assignment(assignment)) {
        return report(where.Mark(), "'" + key + "' cannot name an environment variable");
      }
      env->push_back(std::move(assignment));
    });
  }

  void read_rights(const YAML::Node& node, uint64_t* rights) {
    each_text(node, "a list of rights", [&](const std::string& word, const YAML::Node& where) {
      if (const auto bit = parse_right(word)) {
        *rights |= *bit;
      } else {
        report(where.Mark(), "unknown right '" + word + "', expected one of " + right_words());
      }
    });
    if (node.IsSequence() && node.size() == 0) report(node.Mark(), "an empty list of rights");
  }

  void read_stdio(const YAML::Node& node, Stdio* stdio) {
    if (node.IsNull()) {
      stdio->kind = Stdio::Kind::kNull;
    } else if (node.IsScalar() && node.Scalar() == "inherit") {
      stdio->kind = Stdio::Kind::kInherit;
    } else {
      stdio->kind = Stdio::Kind::kFile;
      read_path(node, &stdio->path);
    }
  }

  std::string path_;
  std::filesystem::path directory_;
  std::set<std::string> labels_;             // all that were given
  std::map<std::string, uint64_t> numbers_;  // the last one given after each base
  Manifest manifest_;
};

}  // namespace

Manifest parse_manifest(const std::string& text, const std::string& path) { return Reader(path).read(text); }

Manifest load_manifest(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxText + 1, '\0');
  if (!file || (file.read(text.data(), static_cast<std::streamsize>(text.size())), file.bad())) {
    return {.guests = {}, .errors = {path + ": cannot be read"}};
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxText) return {.guests = {}, .errors = {path + ": larger than 1 MiB"}};
  return parse_manifest(text, path);
}

}  // namespace wasi_netd::host
