#pragma once
// A listening TCP or Unix socket. Held by shared_ptr; one loop's thread.
#include <memory>

#include "daemon/net/net.h"
#include "daemon/net/socket.h"
#include "daemon/net/socket_address.h"
#include "daemon/net/unix_path.h"

namespace wasi_netd::net {

// What is asked for as a listener's backlog, within its bounds: 0 is 128, 4096 is the most.
int backlog_of(int asked);

class StreamListener final : public Listener, public std::enable_shared_from_this<StreamListener> {
 public:
  // `socket` listens already. `path`: the file of a Unix socket.
  StreamListener(Socket socket, Endpoint local, BoundPath path);
  ~StreamListener() override;

  Endpoint local_endpoint() const override { return local_; }
  Task<Result<std::shared_ptr<Connection>>> accept() override { return accept_task(shared_from_this()); }
  void close() override;

 private:
  static Task<Result<std::shared_ptr<Connection>>> accept_task(std::shared_ptr<StreamListener>);
  // Without waiting: `again` when nobody is there.
  Result<std::shared_ptr<Connection>> accept_now();
  Result<std::shared_ptr<Connection>> adopt(UniqueFd, const SocketAddress& peer);

  Socket socket_;
  const Endpoint local_;
  const bool any_local_;  // bound to the unspecified address: each connection has its own
  BoundPath path_;
  bool closed_ = false;
  Hint hint_{true};
};

}  // namespace wasi_netd::net
