#pragma once
// Datagrams over UDP and Unix sockets: whole messages, each from or to one peer.
//
// Connected datagrams are a Connection and its Stream like any other (net.h): a Stream that keeps boundaries. This
// header adds what only datagrams have: a socket that talks to any peer, and a listener that tells peers apart by
// address. One loop's thread; held by shared_ptr; close() ends pending operations with `canceled`.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/quota.h"
#include "daemon/net/net.h"

namespace wasi_netd::net {

// The most that one datagram carries, in bytes: the largest UDP payload over IPv4 is 65,507, over IPv6 65,527. Longer
// ones, as a Unix socket could bring, are cut to this and marked.
inline constexpr size_t kMaxDatagram = 65'535;

struct Datagram {
  std::string data;
  Endpoint peer;           // unnamed for a Unix sender that is not bound
  bool truncated = false;  // the rest was lost
};
struct OutgoingDatagram {
  std::string_view data;
  Endpoint peer;
};

struct DatagramOptions {
  // What one queue may hold, in bytes, each datagram counted with what it takes in memory. When the next does not fit,
  // the oldest is dropped and counted.
  uint64_t queue_limit = 256 * 1024;
  // Queued datagrams are charged here while they wait; no room is as a full queue. Outlives the socket.
  Quota* buffers = nullptr;
  // Of a listener: how long a peer's connection may be silent in both directions before it ends, with the clean end of
  // a stream; and for how long a refused peer is kept out. And how many peers it keeps apart at once, and as many that
  // were refused; datagrams of further ones are dropped and counted.
  std::chrono::milliseconds idle_timeout{120'000};
  size_t max_peers = 1024;
  // Of an unconnected socket: asked for each datagram before it is queued; false drops it. Empty: all come in. Does not
  // call the socket.
  std::function<bool(const Endpoint& peer)> admit;
};

// A bound datagram socket. connect() and listen() use it up as with stream sockets, and end what is pending with
// `canceled`; before that it sends to and receives from any peer. It begins to read with the first call that asks for
// what came in; until then, the kernel keeps that.
//
// connect(): what came in from that peer before stays. listen(): a peer is an address that sends to one of ours; its
// connection holds what it sent so far, and answers from the address that it sent to. Connections live on when their
// listener is closed, and keep the port taken. Unix: listen() is `notsup`.
//
// What the network answers to a datagram (ICMP) is told once, to the next send to that peer, which then sends nothing:
// connrefused, hostunreach, ... Also to receive_now(), behind what is queued, when the socket is that peer's client: it
// sent before anything came in, and to nobody else. A connection is told by the next read or write, as natively.
class DatagramBound : public Bound {
 public:
  // The oldest datagram in the queue, its data cut to `limit` bytes (then `truncated`). `again`: none.
  virtual Result<Datagram> receive_now(size_t limit) = 0;
  // The whole datagram or nothing. `again`: no room now; `msgsize`; what a Unix peer answers: noent, connrefused.
  virtual Status send_now(std::string_view data, const Endpoint& peer) = 0;
  // A prefix of them, at least one; the count of it, or why the first was not sent.
  virtual Result<size_t> send_batch_now(std::span<const OutgoingDatagram>) = 0;
  // Completes when receive_now would not answer `again`.
  virtual Task<Status> wait_readable() = 0;
  // Completes when there is room to send; after a send that answered `again`, room for that peer. `nfile`: no
  // descriptor to wait for a Unix peer with.
  virtual Task<Status> wait_writable() = 0;
  // Bytes of the oldest datagram in the queue; 0 when there is none.
  virtual size_t next_size() const = 0;
  virtual uint64_t dropped() const = 0;  // for want of room in the queue
  // As of a Connection.
  virtual Status set_option(Option, uint32_t value) = 0;
  virtual Result<uint32_t> get_option(Option) const = 0;
};

// Binds a datagram socket: IPv6 ones are v6-only, and no two share a port. Unix paths as for bind_stream(); a peer can
// answer to one when nobody but root and the daemon can rename a directory on the way to it. The unnamed Unix endpoint
// is a socket without an address: it sends, and nobody can answer it.
Result<std::shared_ptr<DatagramBound>> bind_datagram(Loop, const Endpoint&, DatagramOptions);

// A socket connected to the first of `targets` that the kernel accepts (no packet is sent by it): a fresh one for each,
// or `bound`, which the first uses up.
std::shared_ptr<Dial> dial_datagram(Loop, std::vector<Endpoint> targets, Targets, DatagramOptions,
                                    std::shared_ptr<Bound> bound = nullptr);

}  // namespace wasi_netd::net
