#pragma once
// The system calls of datagram sockets: many datagrams each, and the errors that the network answered. Nothing here
// waits. One loop's thread.
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include <sys/socket.h>

#include "daemon/net/datagram.h"
#include "daemon/net/socket_address.h"

namespace wasi_netd::net {

inline constexpr size_t kReceiveBatch = 16;
inline constexpr size_t kSendBatch = 32;

// One datagram as the kernel gave it; good until the next receive of the loop.
struct Arrival {
  std::string_view data;
  const SocketAddress& from;
  const SocketAddress* local;  // where it was sent to, without the port; null unless the socket asks for it
  bool truncated;
};

// Where datagrams are received, before it is known whose they are and how long: a megabyte that all sockets of a loop
// share, since each copies out at once what it keeps. Memory that no datagram reached is not touched.
class ReceiveBuffers final : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;
  explicit ReceiveBuffers(asio::execution_context&);
  static ReceiveBuffers& of(const Loop&);

  struct Outcome {
    size_t count;
    int error;  // of the system, when there is none; else 0
  };
  Outcome receive(int fd);
  Arrival at(size_t index) const;

 private:
  struct Slot {
    std::array<char, kMaxDatagram> data;
    SocketAddress from;
    SocketAddress local;
    bool has_local;
    alignas(cmsghdr) std::array<char, 64> control;
  };
  void shutdown() override {}

  std::unique_ptr<Slot[]> slots_;
  std::array<iovec, kReceiveBatch> vectors_{};
  std::array<mmsghdr, kReceiveBatch> messages_{};
};

struct Outgoing {
  std::string_view data;
  const SocketAddress* to = nullptr;    // null: the socket's peer
  const SocketAddress* from = nullptr;  // an IP address of this host to send from; null: the kernel's choice
};
struct SendOutcome {
  size_t sent = 0;
  int error = 0;  // of the system, when nothing was sent
};
// A prefix of at most kSendBatch.
SendOutcome send_batch(int fd, std::span<const Outgoing>);

// 255.255.255.255, which the kernel sends to only from sockets that ask for broadcast.
bool is_limited_broadcast(const SocketAddress&);

// Takes errors from the socket's error queue (IP_RECVERR), a bounded number: ICMP answers to what was sent, with whom
// that was for. Skips what Linux would not tell a connected socket either: that a network or host is out of reach for
// now. Returns how many it told.
size_t take_peer_errors(int fd, const std::function<void(const SocketAddress& peer, int error)>& told);

}  // namespace wasi_netd::net
