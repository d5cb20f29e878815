#pragma once
// A bound datagram socket that talks to any peer, until it is connected or listens. Held by shared_ptr; one loop's
// thread.
#include <deque>
#include <memory>
#include <optional>

#include "daemon/net/datagram/queue.h"
#include "daemon/net/datagram/socket.h"
#include "daemon/net/datagram/unix_room.h"
#include "daemon/net/unix_path.h"

namespace wasi_netd::net {

class UnconnectedDatagrams final : public DatagramBound,
                                   private DatagramSocket::Reader,
                                   public std::enable_shared_from_this<UnconnectedDatagrams> {
 public:
  UnconnectedDatagrams(std::shared_ptr<DatagramSocket>, Endpoint local, BoundPath path, DatagramOptions);
  ~UnconnectedDatagrams() override { close(); }

  Endpoint local_endpoint() const override { return local_; }
  Result<std::shared_ptr<Listener>> listen(int backlog) override;
  Task<Result<std::shared_ptr<Connection>>> connect(Endpoint target) override;
  void close() override;

  Result<Datagram> receive_now(size_t limit) override;
  Status send_now(std::string_view data, const Endpoint& peer) override;
  Result<size_t> send_batch_now(std::span<const OutgoingDatagram>) override;
  Task<Status> wait_readable() override;
  Task<Status> wait_writable() override;
  size_t next_size() const override { return queue_.next_size(); }
  uint64_t dropped() const override { return queue_.dropped(); }
  Status set_option(Option, uint32_t value) override;
  Result<uint32_t> get_option(Option) const override;

 private:
  using Self = std::shared_ptr<UnconnectedDatagrams>;
  static Task<Status> readable_task(Self);
  static Task<Status> writable_task(Self);
  static Task<Result<std::shared_ptr<Connection>>> connect_task(Self, Endpoint target);
  void arrived(const Arrival&) override;
  void failed(const SocketAddress* peer, int error) override;

  Result<std::shared_ptr<Connection>> connect_now(const Endpoint& target);
  // The socket goes to another owner; whoever waits here is woken.
  std::shared_ptr<DatagramSocket> give_up();
  Error used_up() const;
  void begin_to_read();
  Result<size_t> send_prefix(std::span<const OutgoingDatagram>);
  void sent_to(const Endpoint& peer);
  std::optional<Error> error_of(const Endpoint& peer);
  Status watch_room();

  // Whether the socket is one peer's client: its first act was to send, and to that peer only.
  enum class Role { kFresh, kClient, kAnybody };
  // What the last send found: room, or none in this socket's buffer, or none in that of a Unix peer.
  enum class Blocked { kNo, kHere, kAtPeer };

  struct Failed {
    Endpoint peer;
    int error;
  };

  std::shared_ptr<DatagramSocket> socket_;  // null: used up or closed
  const Endpoint local_;
  BoundPath path_;
  DatagramOptions options_;
  DatagramQueue queue_;
  Waiters readable_;
  Role role_ = Role::kFresh;
  Endpoint server_;            // of a client
  std::deque<Failed> failed_;  // not told yet, one of a peer, the newest last
  Blocked blocked_ = Blocked::kNo;
  policy::UnixEndpoint full_peer_;
  std::unique_ptr<UnixRoom> room_;  // is waited for
  bool reads_ = false;
  bool closed_ = false;
};

}  // namespace wasi_netd::net
