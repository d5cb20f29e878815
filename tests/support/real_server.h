#pragma once
// Debian's servers as children of the test: in the foreground, on a port of 127.0.0.1 of their own, with a
// configuration in the test's directory. Test thread only.
//
// They run as nobody when the tests run as root: squid does not start as root, and none of them has to be.
#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include <sys/syscall.h>

#include "tests/support/native.h"
#include "tests/support/process.h"

namespace wasi_netd::test {

inline std::optional<std::string> find_program(const std::string& name,
                                               const std::vector<std::string>& directories = {
                                                   "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}) {
  for (const auto& directory : directories) {
    std::string file = directory + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

class RealServer {
 public:
  // Its arguments for a port.
  using Command = std::function<std::vector<std::string>(uint16_t port)>;

  explicit RealServer(const Command& command) {
    // Between finding a free port and the server's taking it another program may be faster.
    for (int attempt = 0; attempt < 5; ++attempt) {
      find_port();
      Process::Start start;
      start.arguments = command(port_);
      // The tests' own TMPDIR may be closed to nobody, and danted makes its lock files there.
      start.environment = {"TMPDIR=" + scratch_.path()};
      give_to_servers(scratch_.path());
      if (::geteuid() == 0) start.user = kNobody;
      process_ = std::make_unique<Process>(std::move(start));
      if (wait_accepting()) return;
    }
    throw std::runtime_error("the server did not start: " + process_->standard_error() + process_->standard_output());
  }
  // A directory that the user they run as is to own.
  static void give_to_servers(const std::string& directory) {
    if (::geteuid() == 0 && ::chown(directory.c_str(), kNobody, kNobody) != 0) throw_errno("chown");
  }

  uint16_t port() const { return port_; }
  Process& process() { return *process_; }

 private:
  static constexpr uid_t kNobody = 65534;
  // Free for TCP and for UDP.
  void find_port() {
    for (;;) {
      const NativeSocket udp = native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM);
      port_ = udp.local_port();
      try {
        native_bind(native_ip("127.0.0.1", port_));
        return;
      } catch (const std::system_error&) {
      }
    }
  }
  // Not every one of them tells when it listens, so it is asked. A refusal comes at once; before the next question this
  // waits for the proxy's end, for a moment.
  bool wait_accepting() {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process_->pid(), 0));
    if (pidfd < 0) return false;  // it has ended already
    const NativeSocket end(pidfd);
    const NativeAddress address = native_ip("127.0.0.1", port_);
    pollfd ended = {end.fd(), POLLIN, 0};
    constexpr int kMomentMs = 5;
    for (int waited = 0; waited < kPatienceSeconds * 1000; waited += kMomentMs) {
      const NativeSocket probe = native_socket(address);
      if (::connect(probe.fd(), address.get(), address.size) == 0) return true;
      if (::poll(&ended, 1, kMomentMs) != 0) return false;
    }
    return false;
  }
  uint16_t port_ = 0;
  TemporaryDirectory scratch_;  // outlives the process
  std::unique_ptr<Process> process_;
};

}  // namespace wasi_netd::test
