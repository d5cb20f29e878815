#pragma once
// A connection: an association with one peer, made by connect or accept.
//
// Held by handles, by its stream and by the flow that dials or drains it. It ends when nothing can use it any more: its
// stream's last handle is closed, or its own last handle is closed before the stream was taken. Ending is orderly (what
// was written arrives) unless abort() resets it. It keeps the request that allowed it, so that a new policy can judge
// it again. The tenant's loop.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/quota.h"
#include "daemon/broker/call.h"
#include "daemon/broker/connection_state.h"
#include "daemon/broker/object.h"
#include "daemon/net/net.h"
#include "daemon/net/tls/tls.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

class Stream;
class Control;

class Connection final : public Object, public std::enable_shared_from_this<Connection> {
 public:
  // The request that was allowed, its deciding rule, and the address as it was asked for (audit).
  struct Permit {
    policy::Request request;
    policy::RuleRef rule;
    std::string asked;
    bool datagrams = false;
  };

  // Connecting: dial() follows. `charge` holds its place in the connection quota until it has ended.
  Connection(std::shared_ptr<Session>, Permit, Charge charge);
  ~Connection() override;

  // The control's own socket is the one to dial from; the control is told when this connection is over.
  void use_bound(const std::shared_ptr<Control>& control, std::shared_ptr<net::Bound> bound);
  // Runs in the background: from kConnecting to kConnected or kFailed, to the first of `targets` that answers (to the
  // first one with a bound socket), on the path of the connection's protocol.
  void dial(std::vector<policy::Endpoint> targets, net::Targets which = net::Targets::kAll);
  // The rest of them, where dial() said that more come. Only while kConnecting.
  void dial_also(std::vector<policy::Endpoint> targets);
  // `stop` runs once it is no longer kConnecting, whatever it is then; nullptr takes it back.
  void on_decided(std::function<void()> stop) { decided_ = std::move(stop); }
  // Connected already: an accepted peer.
  void adopt(std::shared_ptr<net::Connection>);
  // An accepted peer that must prove itself first: kConnected or kFailed when this completes.
  static Task<void> shake_hands(std::shared_ptr<Connection> self, std::shared_ptr<net::TlsContext>,
                                std::shared_ptr<net::Connection> peer);
  // kConnecting is over with this error; for failures before the dial (no address for the name).
  void fail(Error);

  const Permit& permit() const { return permit_; }
  ConnectionState state() const { return state_; }
  // Why there is nothing to use: the connect's errno, connreset after an abort, notconn after the end.
  Error error() const;
  // Completes when no longer kConnecting, or when the call is cancelled.
  Task<void> decided(Call&);
  // The one stream (or notsup). again while connecting; the connect's errno when it failed.
  Result<std::shared_ptr<Stream>> take_stream();

  // notconn: not established, or over.
  Result<policy::Endpoint> local_endpoint() const;
  Result<policy::Endpoint> peer_endpoint() const;
  net::ConnectionInfo info() const;  // empty until it stands
  const policy::Protocol& protocol() const;
  Status set_option(net::Option, uint32_t value);
  Result<uint32_t> get_option(net::Option) const;

  // The guest's sock_shutdown of both directions: ends now, in order; its streams answer notconn.
  void shutdown() { release(); }
  // By the stream: its last handle is closed.
  void stream_released();
  // The peer sees a reset; streams answer `why`. An ending connection stops delivering. No effect on one
  // that is over.
  void abort(Error why);

  void count_in(uint64_t bytes) { bytes_in_ += bytes; }
  void count_out(uint64_t bytes) { bytes_out_ += bytes; }
  void count_dropped() { ++dropped_; }  // a datagram that was taken and could not be passed on

  uint32_t readiness() override;

 private:
  void last_handle_closed() override;
  void set_state(ConnectionEvent);
  void release();
  void cancel_connecting();
  void over(Error why);
  // What the net layer holds for it from now on. nobufs: there is no room.
  Status charge_memory(uint64_t bytes);
  static Task<void> run_dial(std::shared_ptr<Connection> self, std::shared_ptr<net::Dial> dial);
  static Task<void> run_finish(std::shared_ptr<Connection> self);

  Permit permit_;
  Charge charge_;
  Charge memory_;  // to the end of the object: its stream may hold the net layer's part as long
  ConnectionState state_ = ConnectionState::kConnecting;
  std::shared_ptr<net::Connection> net_;
  std::shared_ptr<net::Dial> dial_;  // while it runs
  std::function<void()> cancel_handshake_;
  std::function<void()> decided_;
  std::weak_ptr<Control> control_;  // whose bound socket this uses
  std::shared_ptr<net::Bound> bound_;
  bool stream_taken_ = false;
  Error error_{Errno::success, {}};
  WaitList waiting_;
  std::shared_ptr<net::Stream> datagrams_;  // the stream, from the beginning: it counts what is dropped
  uint64_t bytes_in_ = 0, bytes_out_ = 0, dropped_ = 0;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace wasi_netd::broker
