#pragma once
// The fixture of the semantics tests: one wasi-netd process for the suite, a guest of its own for every test, native
// sockets as peers. Test thread only.
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/engines/guest.h"
#include "tests/support/daemon_process.h"

namespace wasi_netd::test {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class SemanticsTest : public testing::Test {
 protected:
  // Protocol `tcp` reaches loopback but for 127.0.0.66; `unix` what lies in the daemon's directory.
  static void SetUpTestSuite() {
    daemon_ = std::make_unique<DaemonProcess>();
    const std::string directory = daemon_->directory();
    daemon_->add_tenant(
        "acme",
        "protocols:\n"
        "  tcp:\n"
        "    transport: tcp\n"
        "    connect: {allow: [\"127.0.0.0/8:1-65535\", \"[::1]:1-65535\", \"*.example:1-65535\"],\n"
        "              deny: [\"127.0.0.66\"]}\n"
        "    open: {allow: [\"127.0.0.0/8:0-65535\", \"[::1]:0-65535\", \"[::]:1-65535\"], deny: [\"127.0.0.66\"]}\n"
        "    accept: {allow: [\"127.0.0.0/8\", \"[::1]\"], deny: [\"127.0.0.66\"]}\n"
        "    resolver: {hosts: {here.example: [127.0.0.1]}}\n"
        "  unix:\n"
        "    transport: unix\n"
        "    connect: {allow: [\"" +
            directory + "/s/\", \"@" + directory +
            "*\"]}\n"
            "    open: {allow: [\"" +
            directory + "/s/\", \"@" + directory +
            "*\"]}\n"
            "    accept: {allow: [\"*\"]}\n");
    std::filesystem::create_directory(directory + "/s");
    daemon_->configure("audit: {file: " + directory + "/audit.jsonl}\n");
    ASSERT_TRUE(daemon_->start()) << daemon_->process().standard_error();
  }
  static void TearDownTestSuite() { daemon_.reset(); }

  static std::string socket() { return daemon_->socket_path("acme"); }
  virtual Guest& guest() {
    if (!guest_) guest_ = std::make_unique<Guest>(socket());
    return *guest_;
  }
  std::string ask(const std::string& command) { return guest().ask(command); }
  std::string errno_after(const std::string& command) { return errno_of(ask(command)); }
  void succeed(const std::string& command) { ASSERT_EQ(errno_after(command), "success") << command; }

  static std::string address_of(const NativeSocket& socket, const std::string& ip = "127.0.0.1") {
    return ip + ":" + std::to_string(socket.local_port());
  }
  // The port of what the guest's fd is bound to.
  uint16_t port_of(const std::string& fd) {
    const std::string address = value_of(ask("local " + fd), "text");
    return static_cast<uint16_t>(std::stoi("0" + address.substr(address.rfind(':') + 1)));
  }
  // The guest's stream `s` of connection `k` of control `c`, and its peer.
  NativeSocket connect_guest(const std::string& flags = "0") {
    NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
    succeed("c= open tcp 0.0.0.0:0");
    succeed("k= connect c " + address_of(listener));
    succeed("s= create k flags=" + flags);
    return listener.accept();
  }
  // The guest's control `l`, listening; where.
  NativeAddress listen_guest(const std::string& address = "127.0.0.1:0", const std::string& flags = "0") {
    succeed("l= open tcp " + address + " flags=" + flags);
    succeed("listen l 16");
    return native_ip(address.starts_with('[') ? "::1" : "127.0.0.1", port_of("l"));
  }

  static std::unique_ptr<DaemonProcess> daemon_;

 private:
  std::unique_ptr<Guest> guest_;
};
inline std::unique_ptr<DaemonProcess> SemanticsTest::daemon_;

}  // namespace wasi_netd::test
