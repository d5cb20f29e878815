#pragma once
// wasi-netd as a child process, in a directory of its own: the tenants and settings a test asks for.
//
// Test thread only. The tests' programs are built with WASI_NETD_PROGRAM, the path of the program.
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <unistd.h>

#include "tests/support/native.h"
#include "tests/support/process.h"

namespace wasi_netd::test {

class DaemonProcess {
 public:
  DaemonProcess() { std::filesystem::create_directories(policy_dir()); }

  // `sections` is the policy below `tenant:` and `peers:` (`uid`).
  void add_tenant(const std::string& tenant, const std::string& sections = kNothing, uid_t uid = ::getuid()) {
    write_policy(tenant,
                 "version: 1\ntenant: " + tenant + "\npeers: [{user: " + std::to_string(uid) + "}]\n" + sections);
  }
  void write_policy(const std::string& name, const std::string& text) {
    std::ofstream(policy_dir() + "/" + name + ".yaml") << text;
  }
  // Lines for the configuration file, beside the directories.
  void configure(const std::string& lines) { settings_ += lines; }

  // The command line and what else a Process starts with. Writes the configuration.
  Process::Start command(std::initializer_list<std::string> more = {}) {
    std::ofstream(config_file()) << "policy_dir: " << policy_dir() << "\nruntime_dir: " << runtime_dir() << "\n"
                                 << settings_;
    Process::Start start;
    start.arguments = {WASI_NETD_PROGRAM, "--config", config_file()};
    start.arguments.insert(start.arguments.end(), more);
    start.notify = true;
    return start;
  }
  Process& launch(Process::Start start) {
    process_ = std::make_unique<Process>(std::move(start));
    return *process_;
  }
  // False: it ended instead of getting ready; see process().standard_error().
  bool start() { return launch(command()).wait_ready(); }

  Process& process() { return *process_; }
  const std::string& directory() const { return directory_.path(); }
  std::string policy_dir() const { return directory_ / "policy"; }
  std::string runtime_dir() const { return directory_ / "run"; }
  std::string config_file() const { return directory_ / "wasi-netd.yaml"; }
  std::string socket_path(const std::string& tenant) const { return runtime_dir() + "/tenants/" + tenant + ".sock"; }

  // A policy that allows next to nothing.
  static constexpr const char* kNothing = "protocols: {web: {transport: tcp, connect: {allow: [\"192.0.2.1:1\"]}}}\n";

 private:
  TemporaryDirectory directory_;  // outlives the process
  std::string settings_;
  std::unique_ptr<Process> process_;
};

}  // namespace wasi_netd::test
