#pragma once
// One attempt to connect one socket to one address. Used once; held by shared_ptr; one loop's thread.
//
// A TCP connection to the socket's own address (the kernel allows it: RFC 9293 3.5, simultaneous open, when an
// ephemeral port happens to be the target) is `connrefused`: nobody else is there. A Unix listener whose backlog is
// full refuses too, as on BSD: Linux would make a blocking caller wait, but has no event that tells when there is room.
#include <memory>
#include <optional>

#include "daemon/net/net.h"
#include "daemon/net/socket.h"
#include "daemon/net/socket_address.h"
#include "daemon/net/stream_socket.h"
#include "daemon/net/unix_path.h"

namespace wasi_netd::net {

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  // With a socket of its own.
  Connector(Loop loop, Endpoint target) : loop_(loop), target_(std::move(target)) {}
  // With a bound one and, for a Unix path, its file.
  Connector(Loop loop, Endpoint target, UniqueFd bound, Endpoint local, BoundPath path)
      : loop_(loop),
        target_(std::move(target)),
        fd_(std::move(bound)),
        local_(std::move(local)),
        path_(std::move(path)) {}

  // Completes when connected or refused, or with `canceled` after close().
  Task<Result<std::shared_ptr<StreamSocket>>> run() { return run_task(shared_from_this()); }
  void close();

 private:
  using Self = std::shared_ptr<Connector>;
  static Task<Result<std::shared_ptr<StreamSocket>>> run_task(Self);
  static Task<Result<std::shared_ptr<StreamSocket>>> attempt_task(Self);
  // connect(2); repeated, it tells what became of the first.
  int connect_ip(const SocketAddress&);
  int connect_unix(const policy::UnixEndpoint&);
  Result<std::shared_ptr<StreamSocket>> connected();
  Error failed(int error) const;

  const Loop loop_;
  const Endpoint target_;
  UniqueFd fd_;                              // until asio has it
  std::optional<Socket> socket_;             // from then on
  Endpoint local_ = policy::UnixEndpoint{};  // TCP: learned when connected
  BoundPath path_;
  bool closed_ = false;
};

}  // namespace wasi_netd::net
