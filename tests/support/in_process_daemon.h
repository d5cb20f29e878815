#pragma once
// The real daemon inside the test's process: one directory of its own, the tenants a test asks for.
//
// Test thread only. Stopping (or destroying) it returns when every object of it is gone.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "daemon/app/daemon.h"
#include "tests/support/native.h"

namespace wasi_netd::test {

class InProcessDaemon {
 public:
  // `sections` is the policy below `tenant:` and `peers:` (this user); call once per tenant, before start().
  void add_tenant(const std::string& tenant, const std::string& sections) {
    std::filesystem::create_directories(policy_dir());
    std::ofstream(policy_dir() + "/" + tenant + ".yaml")
        << "version: 1\ntenant: " << tenant << "\npeers: [{user: " << ::getuid() << "}]\n"
        << sections;
  }
  void start(std::function<void(Config&)> adjust = nullptr) {
    Config config;
    config.policy_dir = policy_dir();
    config.runtime_dir = directory_.path() + "/run";
    config.audit_file = audit_file();
    config.loops = 1;
    if (adjust) adjust(config);
    const Policies policies = load_policies(config);
    ASSERT_EQ(policies.errors, std::vector<std::string>{});
    auto started = Daemon::start(config, policies);
    ASSERT_TRUE(started) << started.error().detail;
    daemon_ = std::move(*started);
  }
  void stop() { daemon_.reset(); }

  Daemon* operator->() const { return daemon_.get(); }
  std::string socket_path(const std::string& tenant) const {
    return directory_.path() + "/run/tenants/" + tenant + ".sock";
  }
  std::string policy_dir() const { return directory_.path() + "/policy"; }
  std::string audit_file() const { return directory_.path() + "/audit.jsonl"; }
  const std::string& directory() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Daemon> daemon_;
};

// For what the daemon does after it answered: looks until it holds.
template <class Condition>
void eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it did not come to hold";
    std::this_thread::yield();
  }
}

}  // namespace wasi_netd::test
