#pragma once
// A daemon inside the test with a tenant whose protocol `net` is UDP and `local` Unix, and native sockets as peers.
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <set>

#include "tests/rpc/broker/client.h"

namespace wasi_netd::test {

class DatagramTest : public testing::Test {
 protected:
  void SetUp() override { start(""); }
  void start(const std::string& limits) {
    const std::string place = daemon_.directory() + "/s/";
    std::filesystem::create_directory(place);
    daemon_.add_tenant("acme", R"(
protocols:
  net:
    transport: udp
    connect: {allow: ["127.0.0.0/24", "*.test"], deny: ["127.0.0.66"]}
    open: {allow: ["127.0.0.0/24"]}
    accept: {allow: ["127.0.0.1"]}
    resolver: {hosts: {here.test: [127.0.0.1], there.test: [127.0.0.66], six.test: ["::1"]}}
  local:
    transport: unix
    connect: {allow: [")" + place + R"("]}
    open: {allow: [")" + place + R"("]}
    accept: {allow: [")" + place + R"("]}
  bytes:
    transport: tcp
    connect: {allow: ["127.0.0.1"]}
)" + limits);
    daemon_.start();
    host_ = std::make_unique<Host>(daemon_.socket_path("acme"));
    session_ = std::make_unique<RawSession>(*host_);
  }
  static NativeSocket peer(const std::string& ip = "127.0.0.1") { return native_bind(native_ip(ip, 0), SOCK_DGRAM); }
  static std::string address_of(const NativeSocket& socket, const std::string& ip = "127.0.0.1") {
    return ip + ":" + std::to_string(socket.local_port());
  }
  // A control on loopback, and where it is.
  struct Bound {
    std::string handle;
    NativeAddress address;
    std::string text;
  };
  Bound bind(const std::string& address = "127.0.0.1:0") {
    const v1::HandleReply made = session_->open_datagram("net", address);
    EXPECT_EQ(made.error(), v1::SUCCESS) << address;
    const std::string text = session_->local_address(made.handle()).address();
    const auto port = static_cast<uint16_t>(std::stoi("0" + text.substr(text.rfind(':') + 1)));
    return {made.handle(), native_ip("127.0.0.1", port), text};
  }
  // The handle of the stream of a connection to `address`.
  std::string connect(const std::string& address) {
    const v1::HandleReply control = session_->open_datagram("net", "0.0.0.0:0");
    const v1::HandleReply connection = session_->connect(control.handle(), address);
    EXPECT_EQ(connection.error(), v1::SUCCESS);
    const v1::HandleReply stream = session_->stream_create(connection);
    EXPECT_EQ(stream.error(), v1::SUCCESS);
    EXPECT_EQ(session_->close(connection.handle()), v1::SUCCESS);
    return stream.handle();
  }
  v1::Ready told() {
    v1::SessionEvent event;
    EXPECT_TRUE(session_->next(event));
    return event.ready();
  }
  // The audit records that hold every one of `parts`.
  std::vector<std::string> records(std::initializer_list<std::string> parts) const {
    std::ifstream in(daemon_.audit_file());
    std::vector<std::string> found;
    for (std::string line; std::getline(in, line);) {
      const bool all = std::ranges::all_of(parts, [&](const auto& part) { return line.find(part) != line.npos; });
      if (all) found.push_back(line);
    }
    return found;
  }

  InProcessDaemon daemon_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<RawSession> session_;
};

}  // namespace wasi_netd::test
