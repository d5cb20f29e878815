#include "host/options.h"

#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>

#include "host/manifest.h"

namespace wasi_netd::host {
namespace {

constexpr const char* kAbout =
    "Runs WebAssembly guests whose network is a tenant of wasi-netd.\n\n"
    "  wasi-net-run [OPTIONS] --socket TENANT_SOCKET guest.wasm [args...]\n"
    "  wasi-net-run [--json] --manifest hosts.yaml\n\n"
    "The exit code is the guest's own; 134 after a trap, 125 when it could not be run. With --manifest: 0 when every "
    "guest's was 0, else 1.";

// Throws CLI::ValidationError where a text is not a value of the option.
template <class Parse>
auto parsed(const std::string& option, const std::string& text, const Parse& parse, std::string_view expected) {
  const auto value = parse(text);
  if (!value) throw CLI::ValidationError(option, "expected " + std::string(expected) + ", found '" + text + "'");
  return *value;
}

uint64_t parse_rights(const std::string& list) {
  uint64_t rights = 0;
  for (const auto& word : CLI::detail::split(list, ',')) {
    rights |= parsed("--rights", word, parse_right, "a list of " + right_words());
  }
  return rights;
}

void check_env(const std::vector<std::string>& env) {
  for (const auto& text : env) {
    if (!is_assignment(text)) throw CLI::ValidationError("--env", "expected NAME=VALUE, found '" + text + "'");
  }
}

// The guest and its arguments stand behind the options, and are not options whatever they look like.
GuestSpec single_guest(GuestSpec guest, const std::vector<std::string>& rest) {
  if (rest.empty()) throw CLI::RequiredError("a guest.wasm or --manifest");
  if (rest[0].starts_with('-')) throw CLI::ExtrasError({rest[0]});
  if (guest.socket.empty()) throw CLI::RequiredError("--socket");
  guest.wasm = rest[0];
  guest.args.assign(rest.begin() + 1, rest.end());
  guest.label = guest.name.empty() ? std::filesystem::path(guest.wasm).stem().string() : guest.name;
  return guest;
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
  ParsedOptions result;
  GuestSpec guest;
  std::string manifest;
  std::string rights;
  std::string engine(to_string(guest.engine));
  std::string memory = "256MiB";
  std::string json;

  CLI::App app(kAbout, "wasi-net-run");
  app.set_version_flag("--version", "wasi-net-run " WASI_NETD_VERSION);
  app.prefix_command();
  app.add_option("--socket", guest.socket, "The tenant's socket of the daemon");
  app.add_option("--name", guest.name, "The guest's name for the policy and the audit log");
  app.add_option("--env", guest.env, "NAME=VALUE for the guest's environment; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
  app.add_option("--rights", rights, "Weakens what the policy gives to these rights: read,write,...");
  app.add_option("--engine", engine, "wasmtime or wabt")->capture_default_str();
  app.add_option("--max-memory", memory, "The guest's linear memory at most")->capture_default_str();
  app.add_option("--manifest", manifest, "Runs the many guests of this YAML file, a thread each")
      ->excludes("--socket", "--name", "--env", "--rights", "--engine", "--max-memory");
  app.add_flag("--json{-}", json, "Reports as one line of JSON, on stdout or with --json=FILE to a file");

  try {
    app.parse(argc, argv);
    if (app.count("--json") > 0) result.options.json = json;
    if (!manifest.empty()) {
      if (!app.remaining().empty()) throw CLI::ExtrasError(app.remaining());
      auto loaded = load_manifest(manifest);
      for (const auto& error : loaded.errors) std::cerr << error << '\n';
      if (!loaded.errors.empty()) result.exit_code = kHostError;
      result.options.guests = std::move(loaded.guests);
      result.options.from_manifest = true;
      return result;
    }
    check_env(guest.env);
    if (app.count("--name") > 0) parsed("--name", guest.name, parse_name, kNameHint);
    if (app.count("--rights") > 0) guest.rights = parse_rights(rights);
    guest.engine = parsed("--engine", engine, parse_engine, "wasmtime or wabt");
    guest.max_memory = parsed("--max-memory", memory, parse_size, kSizeHint);
    result.options.guests.push_back(single_guest(std::move(guest), app.remaining()));
  } catch (const CLI::ParseError& error) {
    result.exit_code = app.exit(error) == 0 ? 0 : kHostError;
  }
  return result;
}

}  // namespace wasi_netd::host
