#pragma once
// A datagram socket that the kernel has connected to its peer.
#include "daemon/net/datagram/stream.h"
#include "daemon/net/unix_path.h"

namespace wasi_netd::net {

class ConnectedDatagrams final : public DatagramStream, private DatagramSocket::Reader {
 public:
  // Connects the socket to `target`, and reads. On failure the socket is closed. A socket that would reach itself is
  // `connrefused`: nobody else is there. `path`: the file of a Unix socket that was bound.
  static Result<std::shared_ptr<ConnectedDatagrams>> connect(std::shared_ptr<DatagramSocket>, Endpoint local,
                                                             const Endpoint& target, BoundPath path,
                                                             const DatagramOptions&);
  ConnectedDatagrams(std::shared_ptr<DatagramSocket>, Endpoint local, const SocketAddress& peer, Endpoint peer_endpoint,
                     BoundPath path, const DatagramOptions&);
  ~ConnectedDatagrams() override { close(); }

  // What came in from this peer before the socket was connected.
  void take_earlier(const Datagram& datagram) { take(datagram.data, datagram.truncated); }

 private:
  void arrived(const Arrival&) override;
  void failed(const SocketAddress* peer, int error) override;
  SendOutcome send(std::span<const std::string_view>) override;
  void stop_reading() override;
  void leave() override;

  const SocketAddress peer_;
  BoundPath path_;
};

}  // namespace wasi_netd::net
