#pragma once
// Real servers as children of the test: found where Debian puts them, on a port of their own, in the test's directory.
//
// Test thread only. A server that cannot be run is a reason to skip, a text; what else goes wrong fails the test.
#include <optional>
#include <pwd.h>
#include <string>
#include <vector>

#include "tests/e2e/host/host_test.h"
#include "tests/support/real_server.h"

namespace wasi_netd::test {

// A port that nobody has on 127.0.0.1 nor on [::1].
inline uint16_t free_port() {
  for (;;) {
    const NativeSocket v4 = native_bind(native_ip("127.0.0.1", 0));
    try {
      native_bind(native_ip("::1", v4.local_port()));
      return v4.local_port();
    } catch (const std::system_error& error) {
      if (error.code().value() != EADDRINUSE) throw;
    }
  }
}

// The policy of a guest that may reach this port of the machine, as server.test too, and the Unix socket `path`.
inline std::string may_reach(uint16_t port, const std::string& path = "/nowhere") {
  const std::string number = std::to_string(port);
  return "protocols:\n"
         "  net:\n"
         "    transport: tcp\n"
         "    connect: {allow: [\"127.0.0.1:" +
         number + "\", \"[::1]:" + number + "\", \"server.test:" + number +
         "\"]}\n"
         "    resolver: {hosts: {server.test: [127.0.0.1]}}\n"
         "  local:\n"
         "    transport: unix\n"
         "    connect: {allow: [\"" +
         path + "\"]}\n";
}

class ServerTest : public EngineTest {
 protected:
  // For a daemon that is to reach `path` as well.
  void start(const std::string& path = "/nowhere") {
    acme(may_reach(port_, path));
    start_daemon();
  }
  Outcome client(const std::string& name, const std::vector<std::string>& arguments) {
    return run(guest(name, arguments, engine()));
  }
  std::string at(const std::string& host) const { return host + ":" + std::to_string(port_); }

  const uint16_t port_ = free_port();
  std::unique_ptr<Process> server_;
};

}  // namespace wasi_netd::test
