#pragma once
// The fixture of tests that hold for every transport and both sides: our connection, in the clear or by TLS, and a
// native peer at its other end.
#include <string>
#include <vector>

#include "tests/loop/peer.h"
#include "tests/loop/tls/tls_test.h"

namespace wasi_netd::net {

enum class Wire { kTcp4, kTcp6, kUnixPath, kUnixAbstract };
struct WireCase {
  Wire wire;
  bool dialled;         // our side connected, else it accepted; with TLS it is the client, else the server
  int tls = 0;          // the version; 0: in the clear
  bool nested = false;  // TLS inside TLS
};
inline std::ostream& operator<<(std::ostream& out, const WireCase& wire) {
  constexpr const char* kNames[] = {"Tcp4", "Tcp6", "UnixPath", "UnixAbstract"};
  out << kNames[static_cast<int>(wire.wire)] << (wire.dialled ? "Dialled" : "Accepted");
  if (wire.tls != 0) out << (wire.nested ? "TlsInTls1" : "Tls1") << (wire.tls == TLS1_3_VERSION ? "3" : "2");
  return out;
}
inline std::string name_of_case(const ::testing::TestParamInfo<WireCase>& info) {
  return ::testing::PrintToString(info.param);
}
inline const std::vector<WireCase> kTcpWires = {
    {Wire::kTcp4, true}, {Wire::kTcp4, false}, {Wire::kTcp6, true}, {Wire::kTcp6, false}};
inline const std::vector<WireCase> kUnixWires = {{Wire::kUnixPath, true}, {Wire::kUnixPath, false}};
inline const std::vector<WireCase> kAbstractWires = {{Wire::kUnixAbstract, true}, {Wire::kUnixAbstract, false}};
inline const std::vector<WireCase> kTcpTls = {{Wire::kTcp4, true, TLS1_3_VERSION},
                                              {Wire::kTcp4, false, TLS1_3_VERSION},
                                              {Wire::kTcp4, true, TLS1_2_VERSION},
                                              {Wire::kTcp4, false, TLS1_2_VERSION}};
inline const std::vector<WireCase> kOtherTls = {{Wire::kUnixPath, true, TLS1_3_VERSION},
                                                {Wire::kUnixPath, false, TLS1_3_VERSION},
                                                {Wire::kTcp4, true, TLS1_3_VERSION, true},
                                                {Wire::kTcp4, false, TLS1_2_VERSION, true}};
// All of several lists, for INSTANTIATE_TEST_SUITE_P.
inline auto wires(std::initializer_list<std::vector<WireCase>> lists) {
  std::vector<WireCase> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return ::testing::ValuesIn(all);
}
inline auto plain_wires() { return wires({kTcpWires, kUnixWires, kAbstractWires}); }
inline auto tls_wires() { return wires({kTcpTls, kOtherTls}); }
inline auto every_wire() { return wires({kTcpWires, kUnixWires, kAbstractWires, kTcpTls, kOtherTls}); }

class WireTest : public TlsTest, public ::testing::WithParamInterface<WireCase> {
 protected:
  void SetUp() override {
    test::NativeSocket socket;
    if (GetParam().dialled) {
      NativeListenerAt place = listen_natively();
      connection_ = *run(dial_stream(loop(), {place.endpoint})->run());
      socket = place.socket.accept();
    } else {
      listener_ = *(*bind_stream(loop(), our_endpoint()))->listen(16);
      auto accepted = start(listener_->accept());
      socket = test::native_connect(native_address(listener_->local_endpoint()));
      connection_ = *finish(accepted);
    }
    peer_ = GetParam().tls == 0 ? test::Peer(std::move(socket)) : test::Peer(add_tls(std::move(socket)));
    stream_ = *connection_->take_stream();
  }
  void TearDown() override {
    inner_.reset();
    connection_.reset();
    stream_.reset();
    peer_ = test::Peer();
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

  // Lets go of all shares of the connection but the stream's, or of that as well.
  void drop_connection() {
    inner_.reset();
    connection_.reset();
  }
  void drop_all() {
    drop_connection();
    stream_.reset();
  }

  std::shared_ptr<Listener> listener_;
  ConnectionPtr inner_;  // that TLS stands on
  ConnectionPtr connection_;
  std::shared_ptr<Stream> stream_;
  test::Peer peer_;

 private:
  // TLS between connection_ and the socket, or two layers of it.
  test::NativeTls add_tls(test::NativeSocket socket) {
    identity_ = issue("DNS:server.example");
    ours_ = load(GetParam().dialled ? client_policy() : server_policy(identity_));
    test::NativeTls native(std::move(socket), native_context(), GetParam().dialled);
    add_layer(native);
    if (GetParam().nested) {
      native = test::NativeTls(std::move(native), native_context(), GetParam().dialled);
      add_layer(native);
    }
    return native;
  }
  void add_layer(test::NativeTls& native) {
    inner_ = connection_;
    auto task = GetParam().dialled ? tls_connect(ours_, inner_, name("server.example")) : tls_accept(ours_, inner_);
    Shaken shaken = shake(std::move(task), native);
    if (!shaken.ours || !shaken.native.empty()) {
      throw std::runtime_error(shaken.native + (shaken.ours ? "" : ", ours: " + shaken.ours.error().detail));
    }
    connection_ = *shaken.ours;
  }
  test::NativeContext native_context() {
    test::NativeTlsSetup setup;
    setup.identity = GetParam().dialled ? &identity_ : nullptr;
    setup.lowest = setup.highest = GetParam().tls;
    return test::native_tls_context(GetParam().dialled, setup);
  }

  test::Issued identity_;
  std::shared_ptr<TlsContext> ours_;
};

}  // namespace wasi_netd::net
