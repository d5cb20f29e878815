#pragma once
// A control: a bound endpoint from which to connect or on which to listen, or, of datagrams, that talks to any peer.
//
// Held by handles and by the flow that admits peers. An any:0 control makes a socket only when a call needs one.
// Listening, it accepts, judges and then holds at most one peer; a denied peer is reset and nobody hears of it. Where
// peers must shake hands first (TLS) up to kMaxHandshakes do so or have done so and wait. When the connection quota or
// the descriptors are used up it holds the next peer back and waits for something to be given back. The tenant's loop.
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/base/event.h"
#include "daemon/broker/call.h"
#include "daemon/broker/connection.h"
#include "daemon/broker/control_state.h"
#include "daemon/broker/datagrams.h"
#include "daemon/broker/object.h"
#include "daemon/net/net.h"
#include "daemon/net/tls/tls.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

class Control final : public Object, public std::enable_shared_from_this<Control> {
 public:
  static constexpr size_t kMaxHandshakes = 64;

  // `opened` is the open request as judged; its endpoint is what will be bound.
  Control(std::shared_ptr<Session>, policy::Request opened, policy::Transport, bool datagrams);
  ~Control() override;

  const policy::Request& opened() const { return opened_; }
  policy::Transport transport() const { return transport_; }
  bool of_datagrams() const { return of_datagrams_; }
  ControlState state() const { return state_; }

  // Makes the socket: at open for a fixed address, later for an any:0 one. From kIdle or kReleased.
  Status bind();
  // inval: listening or in use. backlog 0: the default.
  Status listen(int backlog);
  // Takes the judged peer, without a handle yet; `again` when there is none and `nonblock`, `badf` when the control was
  // closed, `canceled`. `keep` gives a taken peer back when no handle could be made for it.
  Task<Result<std::shared_ptr<Connection>>> accept(bool nonblock, Call&);
  void keep(std::shared_ptr<Connection>);
  // May a connection be made from here? On success its socket, or null when it shall use a fresh one. isconn: in use.
  // inval: listening.
  Result<std::shared_ptr<net::Bound>> prepare_connect();
  void bound_connection_over();
  // notconn: no socket yet (call bind() first).
  Result<policy::Endpoint> local_endpoint() const;
  // Its socket for datagrams to and from any peer, made if need be. notsup: it is one of streams. isconn: a connection
  // uses it. inval: listening.
  Result<std::shared_ptr<Datagrams>> datagrams();

  // For a poll: a control of datagrams gets its socket.
  Status prepare_poll();
  uint32_t readiness() override;
  uint32_t next_size() const override { return datagrams_ ? datagrams_->next_size() : 0; }

 private:
  void last_handle_closed() override;
  void watch(uint32_t interest) override {
    if (datagrams_) datagrams_->watch(interest);
  }
  void set_state(ControlEvent);
  // Of what is about to connect or listens: it has its socket from here on.
  std::shared_ptr<net::Bound> take_bound();
  // Of a listener that had no room for peers.
  void record_dropped();
  static Task<void> run_admit(std::shared_ptr<Control> self);
  bool has_room_for_peer() const;
  // Judges one peer; a permitted one is charged (waiting for room) and admitted, at once or when it has shaken hands.
  static Task<void> admit(std::shared_ptr<Control> self, std::shared_ptr<net::Connection> peer);
  static Task<void> run_handshake(std::shared_ptr<Control> self, std::shared_ptr<Connection>,
                                  std::shared_ptr<net::Connection> peer);
  void add_admitted(std::shared_ptr<Connection>, bool first);
  // Completes when a connection of the tenant ended, or after kDescriptorRetry for other tenants' descriptors.
  static Task<void> wait_for_room(std::shared_ptr<Control> self, bool descriptors);

  const policy::Request opened_;
  const policy::Transport transport_;
  const bool of_datagrams_;
  ControlState state_ = ControlState::kIdle;
  std::shared_ptr<net::Bound> bound_;     // kBound, of streams
  std::shared_ptr<Datagrams> datagrams_;  // kBound, of datagrams
  std::shared_ptr<net::Listener> listener_;
  std::deque<std::shared_ptr<Connection>> admitted_;
  std::set<std::shared_ptr<Connection>> shaking_hands_;
  std::shared_ptr<net::TlsContext> tls_;  // for peers; null: none
  WaitList accepting_;
  policy::Endpoint local_ = policy::UnixEndpoint{};  // of the socket that is in use
  Quota::Waiter quota_waiter_;
  std::optional<Charge> reserved_;  // what it was given, for the peer that is held back
  // For run_admit: an admitted peer was taken, a handshake ended, a quota was given back, or the control was closed.
  Event room_;
};

}  // namespace wasi_netd::broker
