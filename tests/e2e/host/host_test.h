#pragma once
// What the tests of the whole chain stand on: wasi-netd as a process and wasi-net-run as others, running guests that
// the build compiled. Peers are kernel sockets or real servers.
//
// Test thread only. The programs are built with WASI_NETD_PROGRAM, WASI_NET_RUN_PROGRAM and WASI_NETD_GUEST_DIR.
#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/daemon_process.h"

namespace wasi_netd::test {

inline constexpr Process::Exit kDone{0, 0};

// A policy's sections with which a guest may reach and serve all of the machine itself.
inline constexpr const char* kLoopback = R"(
protocols:
  net:
    transport: tcp
    connect: {allow: ["127.0.0.1:1-65535", "[::1]:1-65535"]}
    open: {allow: ["127.0.0.1", "[::1]"]}
    accept: {allow: ["127.0.0.1", "[::1]"]}
)";

inline std::string wasm(const std::string& guest) { return std::string(WASI_NETD_GUEST_DIR) + "/" + guest + ".wasm"; }

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}
inline std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A guest's stdin that the test writes. wasi-net-run opens it when the guest is to start and waits there for open(), so
// it also holds a guest back until the test lets it go.
class GuestInput {
 public:
  explicit GuestInput(std::string path) : path_(std::move(path)) {
    if (::mkfifo(path_.c_str(), 0600) != 0) throw_errno("mkfifo");
  }
  ~GuestInput() { close(); }
  GuestInput(const GuestInput&) = delete;
  GuestInput& operator=(const GuestInput&) = delete;

  const std::string& path() const { return path_; }
  // Both ways, so that it does not wait for the guest. A guest that starts finds it open.
  void open() {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd_ < 0) throw_errno("open");
  }
  void write(const std::string& text) {
    if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw_errno("write");
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  std::string path_;
  int fd_ = -1;
};

// A guest of a manifest. `more` are further keys, "stdin: /a/file".
struct ManifestGuest {
  std::string tenant = "acme";
  std::string guest;
  std::vector<std::string> arguments;
  std::vector<std::string> more = {};
};

// The daemon and its hosts. Nothing is started before a test says so.
class WithDaemon {
 public:
  // `sections` of the tenant acme, before the daemon starts.
  void acme(const std::string& sections = kLoopback) { daemon_.add_tenant("acme", sections); }
  void start_daemon() { ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error(); }
  // Its orderly end, with all audit records written.
  void end_daemon() {
    daemon_.process().kill(SIGTERM);
    ASSERT_EQ(daemon_.process().wait(), kDone) << daemon_.process().standard_error();
  }
  // The audit records that hold every one of `parts`, after the daemon's end.
  std::vector<std::string> records(std::initializer_list<std::string> parts) {
    std::vector<std::string> found = lines_of(daemon_.process().standard_output());
    std::erase_if(found, [&](const std::string& line) {
      return !std::ranges::all_of(parts, [&](const auto& part) { return line.find(part) != std::string::npos; });
    });
    return found;
  }

  // One guest of acme from the command line.
  Process::Start guest(const std::string& name, const std::vector<std::string>& arguments,
                       const std::vector<std::string>& options = {}) {
    Process::Start start;
    start.arguments = {WASI_NET_RUN_PROGRAM, "--socket", daemon_.socket_path("acme")};
    start.arguments.insert(start.arguments.end(), options.begin(), options.end());
    start.arguments.push_back(wasm(name));
    start.arguments.insert(start.arguments.end(), arguments.begin(), arguments.end());
    return start;
  }
  // Many guests in one host process.
  Process::Start manifest(const std::vector<ManifestGuest>& guests, const std::vector<std::string>& options = {}) {
    std::string text = "guests:\n";
    for (const auto& guest : guests) {
      text += "  - socket: " + daemon_.socket_path(guest.tenant) + "\n    wasm: " + wasm(guest.guest) + "\n    args: [";
      for (const auto& argument : guest.arguments) text += "'" + argument + "', ";
      text += "]\n";
      for (const auto& line : guest.more) text += "    " + line + "\n";
    }
    return manifest_text(text, options);
  }
  Process::Start manifest_text(const std::string& text, const std::vector<std::string>& options = {}) {
    const std::string file = path("guests-" + std::to_string(++manifests_) + ".yaml");
    std::ofstream(file) << text;
    Process::Start start;
    start.arguments = {WASI_NET_RUN_PROGRAM, "--manifest", file};
    start.arguments.insert(start.arguments.end(), options.begin(), options.end());
    return start;
  }

  std::string path(const std::string& name) const { return daemon_.directory() + "/" + name; }

 protected:
  DaemonProcess daemon_;

 private:
  int manifests_ = 0;
};

class HostTest : public testing::Test, protected WithDaemon {};

// The same with each engine.
class EngineTest : public testing::TestWithParam<const char*>, protected WithDaemon {
 protected:
  std::vector<std::string> engine() const { return {"--engine", GetParam()}; }
};
#define WASI_NETD_WITH_ENGINES(suite)                                           \
  INSTANTIATE_TEST_SUITE_P(Engines, suite, testing::Values("wasmtime", "wabt"), \
                           [](const auto& engine) { return std::string(engine.param); })

inline std::string address_of(const NativeSocket& listener) {
  return "127.0.0.1:" + std::to_string(listener.local_port());
}
// The port of "listening on ADDRESS", which a serving guest prints when it is.
inline uint16_t announced_port(Process& host) {
  if (!host.wait_stdout("\n")) throw std::runtime_error("no guest listens: " + host.standard_error());
  const std::string line = lines_of(host.standard_output()).at(0);
  return static_cast<uint16_t>(std::stoul(line.substr(line.rfind(':') + 1)));
}

}  // namespace wasi_netd::test
