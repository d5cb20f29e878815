#pragma once
// The fixture of the differential tests: each runs on {native, wasi-netd} x {IPv4, IPv6, Unix}, and those about a
// connection for both sides of it. The peer is always a native socket.
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/e2e/differential/address_text.h"
#include "tests/e2e/differential/socket_api.h"
#include "tests/support/native.h"

namespace wasi_netd::test {

enum class Implementation { kNative, kNetd };
enum class Net { kTcp4, kTcp6, kUnix };
enum class Side { kDialled, kAccepted };
using Place = std::tuple<Implementation, Net>;
using Connected = std::tuple<Implementation, Net, Side>;

inline std::string name_of(Implementation value) { return value == Implementation::kNative ? "Native" : "Netd"; }
inline std::string name_of(Net value) {
  constexpr const char* kNames[] = {"Tcp4", "Tcp6", "Unix"};
  return kNames[static_cast<int>(value)];
}
inline std::string name_of(Side value) { return value == Side::kDialled ? "Dialled" : "Accepted"; }
inline std::ostream& operator<<(std::ostream& out, Implementation value) { return out << name_of(value); }
inline std::ostream& operator<<(std::ostream& out, Net value) { return out << name_of(value); }
inline std::ostream& operator<<(std::ostream& out, Side value) { return out << name_of(value); }
struct NameOfCase {
  template <class Case>
  std::string operator()(const ::testing::TestParamInfo<Case>& info) const {
    return std::apply([](auto... part) { return (name_of(part) + ...); }, info.param);
  }
};

inline const auto kImplementations = ::testing::Values(Implementation::kNative, Implementation::kNetd);
inline const auto kNets = ::testing::Values(Net::kTcp4, Net::kTcp6, Net::kUnix);
inline const auto kTcpNets = ::testing::Values(Net::kTcp4, Net::kTcp6);
inline const auto kSides = ::testing::Values(Side::kDialled, Side::kAccepted);

class DifferentialTest : public ::testing::Test {
 protected:
  using Socket = SocketApi::Socket;
  using Half = SocketApi::Half;

  void use(Implementation implementation, Net net) {
    net_ = net;
    api_ = implementation == Implementation::kNative ? make_native_api() : make_netd_api(directory_.path());
  }
  // Where to listen: a port that the kernel picks, or a path that is free.
  std::string place() {
    switch (net_) {
      case Net::kTcp4:
        return "127.0.0.1:0";
      case Net::kTcp6:
        return "[::1]:0";
      case Net::kUnix:
        return directory_ / ("socket" + std::to_string(++paths_));
    }
    return {};
  }
  static std::string address_of(const NativeSocket& listener) {
    NativeAddress address;
    address.size = sizeof address.storage;
    if (::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) {
      throw_errno("getsockname");
    }
    return text_of(address);
  }
  NativeSocket listen_natively() { return native_listen(native_address(place())); }

  Socket succeeded(const Got<Socket>& outcome) {
    EXPECT_EQ(outcome.error, WASI_NETD_ERRNO_success);
    return outcome.value;
  }

  // Everything up to `size` bytes; fewer at the end or at an error, which it tells.
  Got<std::string> read(Socket socket, size_t size) {
    Got<std::string> out;
    std::string buffer(64 * 1024, '\0');
    while (out.value.size() < size) {
      auto n = api_->read(socket, buffer.data(), std::min(buffer.size(), size - out.value.size()));
      out.error = n.error;
      if (n.error != WASI_NETD_ERRNO_success || n.value == 0) break;
      out.value.append(buffer, 0, n.value);
    }
    return out;
  }
  // The bytes until the end; a read that fails is a failed expectation.
  std::string read_to_end(Socket socket) {
    auto all = read(socket, SIZE_MAX);
    EXPECT_EQ(all.error, WASI_NETD_ERRNO_success);
    return std::move(all.value);
  }
  // How the next read ends: an errno, or success with the count.
  Got<size_t> read_byte(Socket socket) {
    char byte;
    return api_->read(socket, &byte, 1);
  }
  // The errno of the first write that fails: the kernel takes some before it learns what the peer did.
  Code error_of_writing(Socket socket) {
    for (;;) {
      auto n = api_->write(socket, "x");
      if (n.error != WASI_NETD_ERRNO_success) return n.error;
      std::this_thread::yield();
    }
  }
  // Writes until nothing more fits, for a moment at least; the socket is non-blocking.
  size_t write_until_again(Socket socket) {
    std::string chunk(64 * 1024, 'x');
    size_t total = 0;
    for (;;) {
      auto n = api_->write(socket, chunk);
      if (n.error == WASI_NETD_ERRNO_again) return total;
      EXPECT_EQ(n.error, WASI_NETD_ERRNO_success);
      total += n.value;
    }
  }

  TemporaryDirectory directory_;
  Net net_ = Net::kTcp4;
  int paths_ = 0;
  std::unique_ptr<SocketApi> api_;
};

// Tests about places: listening and connecting.
class PlaceTest : public DifferentialTest, public ::testing::WithParamInterface<Place> {
 protected:
  void SetUp() override { use(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};

// Tests about one connection.
class ConnectedTest : public DifferentialTest, public ::testing::WithParamInterface<Connected> {
 protected:
  void SetUp() override {
    use(std::get<0>(GetParam()), std::get<1>(GetParam()));
    reconnect();
  }
  // Another connection in the place of the one there is.
  void reconnect() {
    if (socket_ != -1) api_->close(socket_);
    if (std::get<2>(GetParam()) == Side::kDialled) {
      NativeSocket listener = native_bind(native_address(place()));
      prepare_peer(listener);
      if (::listen(listener.fd(), 16) != 0) throw_errno("listen");
      socket_ = succeeded(api_->connect(address_of(listener)));
      peer_ = listener.accept();
    } else {
      Socket listener = succeeded(api_->listen(place(), 16));
      const NativeAddress address = native_address(api_->local_address(listener));
      peer_ = native_socket(address);
      prepare_peer(peer_);
      if (::connect(peer_.fd(), address.get(), address.size) != 0) throw_errno("connect");
      socket_ = succeeded(api_->accept(listener));
      api_->close(listener);
    }
  }
  // The peer's socket, or the listener it comes from, before there is a connection.
  virtual void prepare_peer(NativeSocket&) {}
  Socket socket_ = -1;
  NativeSocket peer_;
};

}  // namespace wasi_netd::test
