#pragma once
// The fixture of tests that hold for every transport and both sides: our connection, and a native socket at its other
// end.
#include <string>
#include <vector>

#include "tests/loop/loop_test.h"

namespace wasi_netd::net {

enum class Wire { kTcp4, kTcp6, kUnixPath, kUnixAbstract };
struct WireCase {
  Wire wire;
  bool dialled;  // our side connected, else it accepted
};
inline std::ostream& operator<<(std::ostream& out, const WireCase& wire) {
  constexpr const char* kNames[] = {"Tcp4", "Tcp6", "UnixPath", "UnixAbstract"};
  return out << kNames[static_cast<int>(wire.wire)] << (wire.dialled ? "Dialled" : "Accepted");
}
inline std::string name_of_case(const ::testing::TestParamInfo<WireCase>& info) {
  return ::testing::PrintToString(info.param);
}
inline const auto kAllWires =
    ::testing::Values(WireCase{Wire::kTcp4, true}, WireCase{Wire::kTcp4, false}, WireCase{Wire::kTcp6, true},
                      WireCase{Wire::kTcp6, false}, WireCase{Wire::kUnixPath, true}, WireCase{Wire::kUnixPath, false},
                      WireCase{Wire::kUnixAbstract, true}, WireCase{Wire::kUnixAbstract, false});
inline const auto kTcpWires = ::testing::Values(WireCase{Wire::kTcp4, true}, WireCase{Wire::kTcp4, false},
                                                WireCase{Wire::kTcp6, true}, WireCase{Wire::kTcp6, false});
inline const auto kUnixWires = ::testing::Values(WireCase{Wire::kUnixPath, true}, WireCase{Wire::kUnixPath, false});

class WireTest : public LoopTest, public ::testing::WithParamInterface<WireCase> {
 protected:
  void SetUp() override {
    if (GetParam().dialled) {
      NativeListenerAt place = listen_natively();
      connection_ = *run(dial_stream(loop(), {place.endpoint})->run());
      peer_ = place.socket.accept();
    } else {
      listener_ = *(*bind_stream(loop(), our_endpoint()))->listen(16);
      auto accepted = start(listener_->accept());
      peer_ = test::native_connect(native_address(listener_->local_endpoint()));
      connection_ = *finish(accepted);
    }
    stream_ = *connection_->take_stream();
  }
  void TearDown() override {
    connection_.reset();
    stream_.reset();
    if (listener_) listener_->close();
    listener_.reset();
    LoopTest::TearDown();
  }

  bool is_tcp() const { return GetParam().wire == Wire::kTcp4 || GetParam().wire == Wire::kTcp6; }

  // Where our side listens; the kernel picks a TCP port.
  Endpoint our_endpoint() {
    switch (GetParam().wire) {
      case Wire::kTcp4:
        return ip("127.0.0.1", 0);
      case Wire::kTcp6:
        return ip("::1", 0);
      case Wire::kUnixPath:
        return unix_path(directory_ / "socket");
      default:
        return unix_abstract(directory_ / "abstract");
    }
  }
  static test::NativeAddress native_address(const Endpoint& endpoint) {
    if (const auto* at = std::get_if<policy::IpEndpoint>(&endpoint)) {
      return test::native_ip(policy::to_string(at->address), at->port);
    }
    const auto& at = std::get<policy::UnixEndpoint>(endpoint);
    return test::native_unix(at.abstract ? "@" + at.name : at.name);
  }
  struct NativeListenerAt {
    test::NativeSocket socket;
    Endpoint endpoint;
  };
  NativeListenerAt listen_natively() {
    Endpoint endpoint = our_endpoint();
    auto socket = test::native_listen(native_address(endpoint));
    if (auto* at = std::get_if<policy::IpEndpoint>(&endpoint)) at->port = socket.local_port();
    return {std::move(socket), endpoint};
  }

  test::TemporaryDirectory directory_;
  std::shared_ptr<Listener> listener_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Stream> stream_;
  test::NativeSocket peer_;
};

}  // namespace wasi_netd::net
