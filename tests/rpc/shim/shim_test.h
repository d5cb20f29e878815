#pragma once
// What the shim's tests stand on: the real daemon inside the test's process, one tenant "acme" whose policy each test
// may replace, and the shim as a host links it. Peers are plain kernel sockets (tests/support/native.h).
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "daemon/app/daemon.h"
#include "tests/support/native.h"
#include "wasi_netd/client.hpp"

namespace wasi_netd::test {

using client::Fd;
using client::Guest;
using client::Tenant;

inline constexpr char kLoopbackPolicy[] = R"(
protocols:
  local:
    transport: unix
    connect: {allow: ["@shim-test-*"]}
    open: {allow: ["@shim-test-*"]}
    accept: {allow: ["*"]}
  net:
    transport: tcp
    connect: {allow: ["127.0.0.0/8:1-65535", "[::1]:1-65535", "service.test:1-65535"]}
    resolver: {hosts: {service.test: [127.0.0.1]}}
    open: {allow: ["127.0.0.1:0-65535", "0.0.0.0:0", "[::]:0"]}
    accept: {allow: ["127.0.0.0/8"]}
)";

inline wasi_netd_errno errno_of(const std::error_code& error) { return static_cast<wasi_netd_errno>(error.value()); }

// The errno that `call` throws; success when it does not.
template <class Call>
wasi_netd_errno errno_of_throw(Call call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return errno_of(error.code());
  }
  return WASI_NETD_ERRNO_success;
}

class ShimTest : public testing::Test {
 protected:
  Config write_policy(const std::string& policy) {
    Config config;
    config.policy_dir = directory_ / "policy";
    config.runtime_dir = directory_ / "run";
    config.audit_file = directory_ / "audit.jsonl";
    config.loops = 1;
    std::filesystem::create_directories(config.policy_dir);
    std::ofstream(config.policy_dir + "/acme.yaml") << "version: 1\ntenant: acme\npeers: " << peers_ << "\n" << policy;
    return config;
  }
  void start_daemon(const std::string& policy = kLoopbackPolicy, std::chrono::milliseconds linger = Config().linger) {
    Config config = write_policy(policy);
    config.linger = linger;
    const Policies policies = load_policies(config);
    ASSERT_EQ(policies.errors, std::vector<std::string>{});
    auto started = Daemon::start(config, policies);
    ASSERT_TRUE(started) << started.error().detail;
    daemon_ = std::move(*started);
  }
  void stop_daemon() { daemon_.reset(); }

  std::string socket_path() const { return directory_ / "run/tenants/acme.sock"; }

  // A control on which any connect is possible.
  static Fd any_control(Guest& guest, uint32_t fdflags = 0) {
    return guest.open(guest.protocol("net"), "0.0.0.0:0", fdflags);
  }
  static std::string address(const NativeSocket& listener) {
    return "127.0.0.1:" + std::to_string(listener.local_port());
  }

  TemporaryDirectory directory_;
  std::string peers_ = "[{user: " + std::to_string(::getuid()) + "}]";
  std::unique_ptr<Daemon> daemon_;
};

// One guest of the tenant.
class OneGuest : public ShimTest {
 protected:
  void SetUp() override {
    start_daemon();
    tenant_.emplace(socket_path());
    guest_.emplace(*tenant_);
  }
  std::optional<Tenant> tenant_;
  std::optional<Guest> guest_;
};

// A call that had begun when the daemon went is aborted; one that had not yet finds a dead fd.
inline void expect_gone(wasi_netd_errno error) {
  EXPECT_TRUE(error == WASI_NETD_ERRNO_connaborted || error == WASI_NETD_ERRNO_badf) << wasi_netd_errno_name(error);
}

// For what the daemon does after it answered: looks until it holds.
template <class Condition>
void eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

// A guest's stream and the peer it is connected to.
struct Connected {
  Fd stream;
  NativeSocket peer;
};

inline Connected connect_to_peer(Guest& guest, uint32_t stream_flags = 0) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  const Fd control = guest.open(guest.protocol("net"), "0.0.0.0:0");
  Fd connection = guest.connect(control, "127.0.0.1:" + std::to_string(listener.local_port()));
  NativeSocket peer = NativeSocket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  return {connection.stream(client::kInherited, stream_flags), std::move(peer)};
}

inline wasi_netd_subscription read_of(const Fd& fd) {
  return {static_cast<uint64_t>(fd.number()), WASI_NETD_EVENT_READ, fd.number(), 0, 0, 0};
}
inline wasi_netd_subscription write_of(const Fd& fd) {
  return {static_cast<uint64_t>(fd.number()), WASI_NETD_EVENT_WRITE, fd.number(), 0, 0, 0};
}
inline wasi_netd_subscription after(std::chrono::nanoseconds time) {
  return {UINT64_MAX, WASI_NETD_EVENT_CLOCK, -1, WASI_NETD_CLOCK_MONOTONIC, static_cast<uint64_t>(time.count()), 0};
}

}  // namespace wasi_netd::test
