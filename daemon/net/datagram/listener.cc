#include "daemon/net/datagram/listener.h"

#include <utility>

#include "daemon/net/listener.h"

namespace wasi_netd::net {

std::shared_ptr<DatagramListener> DatagramListener::make(std::shared_ptr<DatagramSocket> socket, const Endpoint& local,
                                                         int backlog, const DatagramOptions& options) {
  auto peers = std::make_shared<DatagramPeers>(std::move(socket), std::get<policy::IpEndpoint>(local),
                                               static_cast<size_t>(backlog_of(backlog)), options);
  peers->open();
  return std::make_shared<DatagramListener>(std::move(peers), local);
}

void DatagramListener::close() {
  closed_ = true;
  peers_->close_listener();
}

Task<Result<std::shared_ptr<Connection>>> DatagramListener::accept_task(std::shared_ptr<DatagramListener> self) {
  for (;;) {
    if (self->closed_) co_return canceled();
    auto peer = self->peers_->accept_now();
    if (peer) co_return std::shared_ptr<Connection>(std::move(peer));
    (void)co_await self->peers_->accepting().wait();
  }
}

}  // namespace wasi_netd::net
