#pragma once
// A datagram socket that is not connected: it sends to whom the policy lets it and takes what the policy lets in.
//
// Made by a control with its socket and held by it, and by the calls that wait here, until a connection or a listener
// takes the socket over. A datagram comes in when the rules of `accept` admit its sender or when this socket sent to
// that peer less than Peers::kRemembered ago; any other is dropped before it is queued, so that no guest hears of it.
// The tenant's loop.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/broker/call.h"
#include "daemon/broker/peers.h"
#include "daemon/broker/session.h"
#include "daemon/net/datagram.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

// Of a tenant's datagram sockets: what is queued is charged to the session.
net::DatagramOptions datagram_options(Session&);

class Datagrams final : public std::enable_shared_from_this<Datagrams> {
 public:
  // Binds what `opened` names. `changed` runs when readiness() has changed.
  static Result<std::shared_ptr<Datagrams>> bind(std::shared_ptr<Session>, policy::Request opened,
                                                 std::function<void()> changed);
  ~Datagrams();

  policy::Endpoint local_endpoint() const { return local_; }
  net::DatagramBound& bound() { return *bound_; }  // of a live one
  // False: a connection or a listener has the socket, or it was closed.
  bool live() const { return bound_ != nullptr; }

  // A peer that the policy allowed: its answers come in from now on. True: that is to be recorded, false: it was
  // lately. nobufs: there is no room to remember it.
  Result<bool> permit(const policy::Endpoint& peer, const std::string& asked);
  // `again` where it would wait; then wait() for the direction. Of a live one.
  Status send_now(std::string_view data, const policy::Endpoint& peer);
  Result<net::Datagram> receive_now(size_t limit);
  // Completes when the call may succeed now, was cancelled, or this is no longer live.
  static Task<void> wait(std::shared_ptr<Datagrams> self, uint32_t direction, Call& call);

  uint32_t readiness() const { return ready_; }
  uint32_t next_size() const;
  void watch(uint32_t interest);

  // Hands the socket over; waiting calls are woken.
  std::shared_ptr<net::DatagramBound> take();
  void close();

 private:
  Datagrams(std::shared_ptr<Session>, policy::Request opened, std::function<void()> changed);
  static Task<void> run_watch(std::shared_ptr<Datagrams> self, std::shared_ptr<net::DatagramBound> bound,
                              uint32_t direction);
  bool admit(const policy::Endpoint& peer);
  // The audit record of what passed.
  void over();

  const std::shared_ptr<Session> session_;
  const policy::Request opened_;
  std::function<void()> changed_;
  std::shared_ptr<net::DatagramBound> bound_;
  policy::Endpoint local_;
  Peers sent_to_, came_from_;
  RecordRate rate_;
  uint64_t refused_ = 0, bytes_in_ = 0, bytes_out_ = 0;
  uint32_t ready_ = 0;  // told by the last watch, until a call finds otherwise
  uint32_t watching_ = 0;
  std::optional<Error> cannot_wait_;  // why nobody can tell when there is room again
  WaitList readable_, writable_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace wasi_netd::broker
