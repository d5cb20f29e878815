#pragma once
// A daemon inside the test with two tenants of the same policy, and a native server for their guests. Test thread only.
#include <string>

#include "tests/rpc/broker/client.h"

namespace wasi_netd::test {

inline constexpr char kSections[] = R"(
protocols:
  net:
    transport: tcp
    connect: {allow: ["127.0.0.1"], deny: ["127.0.0.1:9"]}
    open: {allow: ["127.0.0.1"]}
    accept: {allow: ["127.0.0.1"]}
limits: {sessions: 3, handles: 40, connections: 8, buffers: 4MiB, host_connections: 4}
)";

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.add_tenant("acme", kSections);
    daemon_.add_tenant("other", kSections);
    daemon_.start();
    listener_ = native_listen(native_ip("127.0.0.1", 0));
  }
  std::string peer_address() const { return "127.0.0.1:" + std::to_string(listener_.local_port()); }
  NativeSocket accept_peer() { return NativeSocket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC)); }
  Daemon::Counts counts() { return daemon_->counts(); }

  InProcessDaemon daemon_;
  NativeSocket listener_;
};

struct Stream {
  v1::HandleReply control, connection, stream;
};
inline Stream connected_stream(RawSession& session, const std::string& address) {
  Stream made;
  made.control = session.open("net", "0.0.0.0:0");
  made.connection = session.connect(made.control.handle(), address);
  made.stream = session.stream_create(made.connection);
  EXPECT_EQ(made.stream.error(), v1::SUCCESS);
  return made;
}

}  // namespace wasi_netd::test
