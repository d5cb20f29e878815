#pragma once
// A listening UDP socket. Held by shared_ptr; one loop's thread.
#include <memory>

#include "daemon/net/datagram/peers.h"

namespace wasi_netd::net {

class DatagramListener final : public Listener, public std::enable_shared_from_this<DatagramListener> {
 public:
  // `local` is an IP endpoint. A backlog of 0 is 128; 4096 is the most.
  static std::shared_ptr<DatagramListener> make(std::shared_ptr<DatagramSocket>, const Endpoint& local, int backlog,
                                                const DatagramOptions&);
  explicit DatagramListener(std::shared_ptr<DatagramPeers> peers, Endpoint local)
      : peers_(std::move(peers)), local_(std::move(local)) {}
  ~DatagramListener() override { close(); }

  Endpoint local_endpoint() const override { return local_; }
  Task<Result<std::shared_ptr<Connection>>> accept() override { return accept_task(shared_from_this()); }
  void close() override;
  uint64_t dropped() const override { return peers_->dropped(); }

 private:
  static Task<Result<std::shared_ptr<Connection>>> accept_task(std::shared_ptr<DatagramListener>);

  const std::shared_ptr<DatagramPeers> peers_;
  const Endpoint local_;
  bool closed_ = false;
};

}  // namespace wasi_netd::net
