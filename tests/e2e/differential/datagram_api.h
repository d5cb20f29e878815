#pragma once
// Datagram sockets as a program uses them, in two implementations like SocketApi's: the kernel's own, and the same
// through wasi-netd.
//
// Not covered, because there wasi-netd promises something else: an unconnected socket that sends to a peer which is
// gone hears of it (natively only with IP_RECVERR), and one that a connection uses sends to nobody else. Where the
// kernel tells a sender at once, wasi-netd tells it at one of its next calls, since a write does not wait for the
// daemon.
#include <memory>
#include <string>
#include <string_view>

#include "tests/e2e/differential/socket_api.h"

namespace wasi_netd::test {

class DatagramApi {
 public:
  using Socket = SocketApi::Socket;
  using Half = SocketApi::Half;
  struct Received {
    std::string data;
    std::string from;  // of receive_from
    bool truncated = false;
  };

  virtual ~DatagramApi() = default;

  // Addresses as SocketApi's.
  virtual Got<Socket> bind(const std::string& address) = 0;
  virtual Got<Socket> connect(const std::string& address) = 0;
  // Connects a bound one.
  virtual Code connect(Socket, const std::string& address) = 0;

  virtual Code send_to(Socket, std::string_view datagram, const std::string& address) = 0;
  virtual Got<Received> receive_from(Socket, size_t room) = 0;
  // Of a connected one.
  virtual Code send(Socket, std::string_view datagram) = 0;
  virtual Got<Received> receive(Socket, size_t room) = 0;
  virtual Code shutdown(Socket, Half) = 0;

  virtual void close(Socket) = 0;
  virtual void set_nonblocking(Socket) = 0;
  virtual void poll(Socket, Half) = 0;
  virtual std::string local_address(Socket) = 0;
};

std::unique_ptr<DatagramApi> make_native_datagrams();
std::unique_ptr<DatagramApi> make_netd_datagrams(const std::string& directory);

}  // namespace wasi_netd::test
