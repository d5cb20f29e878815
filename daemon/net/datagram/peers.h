#pragma once
// The peers of one listening UDP socket, told apart by address: theirs, and the one of this host that they send to.
//
// Held by the listener and by each peer's connection; the socket is closed when the listener has been and the last
// connection has left. A peer waits until it is accepted, holding what it has sent; it has a connection until that is
// closed, or ends because nothing went either way for long; refused, it is kept out for as long. All three are bounded,
// and one timer serves all peers: they are kept in the order in which they fell silent. One loop's thread.
#include <array>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "daemon/net/datagram/socket.h"
#include "daemon/net/datagram/stream.h"

namespace wasi_netd::net {

struct PeerKey {
  std::array<uint8_t, 16> address{};
  uint16_t port = 0;
  uint32_t scope = 0;
  std::array<uint8_t, 16> local{};  // zero where the socket has one address
  // Peers by their own address first.
  auto in_order() const { return std::tie(address, port, scope, local); }
  bool operator<(const PeerKey& other) const { return in_order() < other.in_order(); }
  bool same_peer(const PeerKey& other) const {
    return address == other.address && port == other.port && scope == other.scope;
  }
  // `local` may be null.
  static PeerKey of(const SocketAddress& peer, const SocketAddress* local);
};

class DatagramPeer;

class DatagramPeers final : private DatagramSocket::Reader, public std::enable_shared_from_this<DatagramPeers> {
 public:
  DatagramPeers(std::shared_ptr<DatagramSocket>, policy::IpEndpoint local, size_t backlog, DatagramOptions);
  ~DatagramPeers() { socket_->close(); }
  // Begins to read.
  void open() { socket_->start(); }

  // For the listener.
  std::shared_ptr<DatagramPeer> accept_now();  // null: nobody waits
  Waiters& accepting() { return accepting_; }
  void close_listener();
  uint64_t dropped() const { return dropped_; }

  // For a peer's connection.
  void sent(DatagramPeer&);
  void left(DatagramPeer&, bool refused);
  const std::shared_ptr<DatagramSocket>& socket() const { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  void arrived(const Arrival&) override;
  void failed(const SocketAddress* peer, int error) override;
  bool has_room() const;
  void add(const PeerKey&, const Arrival&);
  void keep_out(const PeerKey&);
  void heard(DatagramPeer&);
  void arm();
  void expire();
  void close_if_done();

  const std::shared_ptr<DatagramSocket> socket_;
  const policy::IpEndpoint local_;
  const size_t backlog_;
  const DatagramOptions options_;
  Quota waiting_bytes_;  // of those not accepted yet, together
  std::map<PeerKey, DatagramPeer*> peers_;
  std::list<DatagramPeer*> by_silence_;  // the longest silent first
  std::deque<std::shared_ptr<DatagramPeer>> waiting_;
  std::set<PeerKey> refused_;
  struct Refusal {
    PeerKey key;
    Clock::time_point until;
  };
  std::deque<Refusal> refusals_;  // as refused_, the oldest first
  Waiters accepting_;
  Timer silence_;
  bool armed_ = false;
  bool listening_ = true;
  uint64_t dropped_ = 0;

  friend class DatagramPeer;
};

// One of them, as a connection.
class DatagramPeer final : public DatagramStream {
 public:
  DatagramPeer(std::shared_ptr<DatagramPeers>, const PeerKey&, const Arrival& first, Endpoint local,
               uint64_t queue_limit, Quota* buffers);
  ~DatagramPeer() override { close(); }
  void refuse() override;

 private:
  friend class DatagramPeers;
  SendOutcome send(std::span<const std::string_view>) override;
  void stop_reading() override {}
  void leave() override;
  // Silent for too long.
  void end();

  const std::shared_ptr<DatagramPeers> peers_;
  const PeerKey key_;
  const SocketAddress to_;
  std::optional<SocketAddress> from_;  // where there is a choice
  DatagramPeers::Clock::time_point heard_;
  std::list<DatagramPeer*>::iterator silence_;
  bool known_ = true;  // is in the table
  bool refused_ = false;
};

}  // namespace wasi_netd::net
