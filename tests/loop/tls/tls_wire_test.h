#pragma once
// The fixture of tests that hold for both roles, both versions and every carrier: our TLS connection, and native TLS at
// its other end.
#include "tests/loop/tls/tls_test.h"

namespace wasi_netd::net {

enum class Carrier { kTcp, kUnix, kTls };  // kTls: TLS inside TLS over TCP
struct TlsCase {
  Carrier carrier;
  bool client;  // our side
  int version;
};
inline std::ostream& operator<<(std::ostream& out, const TlsCase& each) {
  constexpr const char* kCarriers[] = {"Tcp", "Unix", "Tls"};
  return out << kCarriers[static_cast<int>(each.carrier)] << (each.client ? "Client" : "Server")
             << (each.version == TLS1_3_VERSION ? "13" : "12");
}
inline std::string name_of_tls_case(const ::testing::TestParamInfo<TlsCase>& info) {
  return ::testing::PrintToString(info.param);
}
inline const auto kAllTls =
    ::testing::Values(TlsCase{Carrier::kTcp, true, TLS1_3_VERSION}, TlsCase{Carrier::kTcp, false, TLS1_3_VERSION},
                      TlsCase{Carrier::kTcp, true, TLS1_2_VERSION}, TlsCase{Carrier::kTcp, false, TLS1_2_VERSION},
                      TlsCase{Carrier::kUnix, true, TLS1_3_VERSION}, TlsCase{Carrier::kUnix, false, TLS1_3_VERSION},
                      TlsCase{Carrier::kTls, true, TLS1_3_VERSION}, TlsCase{Carrier::kTls, false, TLS1_2_VERSION});
inline const auto kTcpTls =
    ::testing::Values(TlsCase{Carrier::kTcp, true, TLS1_3_VERSION}, TlsCase{Carrier::kTcp, false, TLS1_3_VERSION},
                      TlsCase{Carrier::kTcp, true, TLS1_2_VERSION}, TlsCase{Carrier::kTcp, false, TLS1_2_VERSION},
                      TlsCase{Carrier::kTls, true, TLS1_3_VERSION});

class TlsWireTest : public TlsTest, public ::testing::WithParamInterface<TlsCase> {
 protected:
  void SetUp() override {
    server_identity_ = issue("DNS:server.example");
    ours_ = load(GetParam().client ? client_policy() : server_policy(server_identity_));
    Pair pair = GetParam().carrier == Carrier::kUnix ? unix_pair() : tcp_pair();
    inner_ = pair.ours;
    peer_ = test::NativeTls(std::move(pair.peer), native_context(), GetParam().client);
    connection_ = layer(inner_);
    if (GetParam().carrier == Carrier::kTls) {
      inner_ = connection_;
      peer_ = test::NativeTls(std::move(peer_), native_context(), GetParam().client);
      connection_ = layer(inner_);
    }
    stream_ = *connection_->take_stream();
  }
  void TearDown() override {
    inner_.reset();
    connection_.reset();
    stream_.reset();
    peer_ = test::NativeTls();
    LoopTest::TearDown();
  }
  test::NativeContext native_context() {
    test::NativeTlsSetup setup;
    setup.identity = GetParam().client ? &server_identity_ : nullptr;
    setup.lowest = setup.highest = GetParam().version;
    return test::native_tls_context(GetParam().client, setup);
  }
  ConnectionPtr layer(ConnectionPtr inner) {
    auto task = GetParam().client ? tls_connect(ours_, inner, name("server.example")) : tls_accept(ours_, inner);
    Shaken shaken = shake(std::move(task), peer_);
    if (!shaken.ours || !shaken.native.empty()) {
      throw std::runtime_error(shaken.native + (shaken.ours ? "" : ", ours: " + shaken.ours.error().detail));
    }
    return *shaken.ours;
  }

  test::Issued server_identity_;
  std::shared_ptr<TlsContext> ours_;
  ConnectionPtr inner_, connection_;
  std::shared_ptr<Stream> stream_;
  test::NativeTls peer_;
};

}  // namespace wasi_netd::net
