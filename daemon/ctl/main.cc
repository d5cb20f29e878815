// wasi-netctl: policies examined from the command line.
#include <CLI/CLI.hpp>

#include "daemon/ctl/commands.h"
#include "policy/policy.h"

namespace {

std::vector<std::string> operation_words() {
  std::vector<std::string> words;
  for (const auto operation : wasi_netd::policy::kAllOperations) words.emplace_back(to_string(operation));
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace wasi_netd::ctl;

  CLI::App app{"Examines the policies of wasi-netd tenants.", "wasi-netctl"};
  const std::string version = std::string("wasi-netctl ") + WASI_NETD_VERSION;
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  const char* reserved_text = "A directory of the daemon, whose paths no rule opens (repeatable; replaces the default)";

  CheckOptions check_options;
  CLI::App* check_command = app.add_subcommand("check", "Says what is wrong with policy files, as file:line:column");
  check_command->add_option("PATH", check_options.paths, "Policy files, or directories of *.yaml")->required();
  check_command->add_option("--reserved", check_options.reserved, reserved_text)
      ->allow_extra_args(false)
      ->capture_default_str();
  check_command->add_flag("--any-account", check_options.other_machine,
                          "The files are for another machine: do not look up the users and groups of `peers`, nor the "
                          "certificates, keys and passwords that policies name");

  ExplainOptions explain_options;
  CLI::App* explain_command = app.add_subcommand("explain", "Says what a policy answers, by which rule, and why");
  explain_command->add_option("--policy", explain_options.policy, "The tenant's policy file")->required();
  explain_command->add_option("--guest", explain_options.guest, "The guest that asks; omitted: an unnamed one");
  explain_command->add_option("--via", explain_options.via, "The name that ADDRESS was resolved from");
  explain_command->add_option("--reserved", explain_options.reserved, reserved_text)
      ->allow_extra_args(false)
      ->capture_default_str();
  explain_command->add_flag("--json", explain_options.json, "Print one JSON object");
  explain_command->add_option("PROTOCOL", explain_options.protocol, "The protocol object's name")->required();
  explain_command->add_option("OPERATION", explain_options.operation, "What is asked for")
      ->required()
      ->check(CLI::IsMember(operation_words()));
  explain_command->add_option("ADDRESS", explain_options.address, "As guests write it; to resolve: a name")->required();
  explain_command->footer("Exit status: 0 allow, 1 deny or would_deny, 2 no answer.");

  app.add_subcommand("schema", "Prints the JSON Schema of policy files");
  for (CLI::App* command : app.get_subcommands({})) command->set_version_flag("--version", version);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kYes : kMisused;
  }
  if (check_command->parsed()) return check(check_options);
  if (explain_command->parsed()) return explain(explain_options);
  return print_schema();
}
