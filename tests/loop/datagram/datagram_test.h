#pragma once
// The fixture of the tests of datagrams: native sockets that send and receive whole messages, and the four kinds of
// addresses as a table.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "daemon/net/datagram.h"
#include "tests/loop/loop_test.h"

namespace wasi_netd::net {

enum class DatagramWire { kUdp4, kUdp6, kUnixPath, kUnixAbstract };
inline std::ostream& operator<<(std::ostream& out, DatagramWire wire) {
  constexpr const char* kNames[] = {"Udp4", "Udp6", "UnixPath", "UnixAbstract"};
  return out << kNames[static_cast<int>(wire)];
}
inline std::string name_of_wire(const ::testing::TestParamInfo<DatagramWire>& info) {
  return ::testing::PrintToString(info.param);
}
inline const auto kAllDatagramWires =
    ::testing::Values(DatagramWire::kUdp4, DatagramWire::kUdp6, DatagramWire::kUnixPath, DatagramWire::kUnixAbstract);
inline const auto kUdpWires = ::testing::Values(DatagramWire::kUdp4, DatagramWire::kUdp6);
inline const auto kUnixDatagramWires = ::testing::Values(DatagramWire::kUnixPath, DatagramWire::kUnixAbstract);

inline test::NativeAddress native_of(const Endpoint& endpoint) {
  if (const auto* at = std::get_if<policy::IpEndpoint>(&endpoint)) {
    return test::native_ip(policy::to_string(at->address), at->port);
  }
  const auto& at = std::get<policy::UnixEndpoint>(endpoint);
  return test::native_unix(at.abstract ? "@" + at.name : at.name);
}

// A native datagram socket, bound, with its address as the project writes it.
struct NativePeer {
  test::NativeSocket socket;
  Endpoint endpoint;

  int send_error(std::string_view data, const Endpoint& to) {
    const auto address = native_of(to);
    return ::sendto(socket.fd(), data.data(), data.size(), MSG_NOSIGNAL, address.get(), address.size) < 0 ? errno : 0;
  }
  void send(std::string_view data, const Endpoint& to) { EXPECT_EQ(send_error(data, to), 0); }
  struct Received {
    std::string data;
    test::NativeAddress from;
  };
  // One datagram; throws when none comes.
  Received receive() {
    Received out;
    out.data.resize(256 * 1024);
    out.from.size = sizeof out.from.storage;
    const ssize_t n = ::recvfrom(socket.fd(), out.data.data(), out.data.size(), 0,
                                 reinterpret_cast<sockaddr*>(&out.from.storage), &out.from.size);
    if (n < 0) test::throw_errno("recvfrom");
    out.data.resize(static_cast<size_t>(n));
    return out;
  }
  // As far as a native program gets by answering whoever sent.
  void echo() {
    const Received got = receive();
    if (::sendto(socket.fd(), got.data.data(), got.data.size(), 0, got.from.get(), got.from.size) < 0) {
      test::throw_errno("sendto");
    }
  }
  bool has_datagram() const {
    pollfd entry = {socket.fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  void connect(const Endpoint& to) {
    const auto address = native_of(to);
    if (::connect(socket.fd(), address.get(), address.size) != 0) test::throw_errno("connect");
  }
};

class DatagramLoopTest : public LoopTest {
 protected:
  NativePeer native_at(const Endpoint& endpoint) {
    NativePeer out{test::native_bind(native_of(endpoint), SOCK_DGRAM), endpoint};
    if (auto* at = std::get_if<policy::IpEndpoint>(&out.endpoint)) at->port = out.socket.local_port();
    return out;
  }
  // An address where nobody is, but where somebody was.
  Endpoint nobody_at(const Endpoint& endpoint) { return native_at(endpoint).endpoint; }

  // Datagrams as they are read, until none is there now.
  std::vector<std::string> read_all(Stream& stream) {
    std::vector<std::string> out;
    for (;;) {
      std::string data(70'000, '\0');
      const auto n = stream.read_now(asio::buffer(data));
      if (!n || stream.ended()) return out;
      data.resize(*n);
      out.push_back(std::move(data));
    }
  }
  static Task<Result<std::string>> read_one(std::shared_ptr<Stream> stream) {
    std::string data(70'000, '\0');
    const asio::mutable_buffer buffer(data.data(), data.size());
    auto n = co_await stream->read_some(buffer);
    if (!n) co_return n.error();
    data.resize(*n);
    co_return data;
  }
  Result<std::string> read_now(Stream& stream, size_t size = 70'000) {
    std::string data(size, '\0');
    const auto n = stream.read_now(asio::buffer(data));
    if (!n) return n.error();
    data.resize(*n);
    return data;
  }
  static Task<void> wait(Timer& timer) { (void)co_await timer.async_wait(kTuple); }
  static Errno write_code(Stream& stream, std::string_view data) {
    return code_of(stream.write_now(asio::buffer(data)));
  }
  std::shared_ptr<Connection> dial(const Endpoint& target, DatagramOptions options = {}) {
    return *run(dial_datagram(loop(), {target}, Targets::kAll, std::move(options))->run());
  }
};

// Tests that hold for every kind of address.
class DatagramWireTest : public DatagramLoopTest, public ::testing::WithParamInterface<DatagramWire> {
 protected:
  bool is_udp() const { return GetParam() == DatagramWire::kUdp4 || GetParam() == DatagramWire::kUdp6; }
  // A fresh address; the kernel picks a UDP port.
  Endpoint fresh() {
    const std::string name = "socket" + std::to_string(++count_);
    switch (GetParam()) {
      case DatagramWire::kUdp4:
        return ip("127.0.0.1", 0);
      case DatagramWire::kUdp6:
        return ip("::1", 0);
      case DatagramWire::kUnixPath:
        return unix_path(directory_ / name);
      default:
        return unix_abstract(directory_ / name);
    }
  }
  NativePeer native() { return native_at(fresh()); }
  std::shared_ptr<DatagramBound> bind(DatagramOptions options = {}) {
    return *bind_datagram(loop(), fresh(), std::move(options));
  }
  // A connection from a bound socket, so that its peer can answer, and that peer.
  struct Pair {
    NativePeer peer;
    std::shared_ptr<Connection> connection;
    std::shared_ptr<Stream> stream;
    void answer(std::string_view data) { peer.send(data, connection->local_endpoint()); }
  };
  Pair connect(DatagramOptions options = {}) {
    Pair out{native(), nullptr, nullptr};
    out.connection = *run(bind(std::move(options))->connect(out.peer.endpoint));
    out.stream = *out.connection->take_stream();
    return out;
  }

  test::TemporaryDirectory directory_;

 private:
  int count_ = 0;
};

}  // namespace wasi_netd::net
