#pragma once
// One host's connection: the host's socket, a socket pair whose other end gRPC has, and the two flows that carry bytes
// between them through the Http2Gate.
//
// So gRPC's descriptor is never the host's: closing the pair ends gRPC's transport whatever the host does, and what the
// host does not take stops what it may ask for. Each direction holds one buffer.
//
// The flows hold the relay, and it holds the connection's charge: it is given back when gRPC has let go of its end.
// The tenant's loop.
#include <array>
#include <functional>
#include <memory>
#include <string_view>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "daemon/base/event.h"
#include "daemon/base/quota.h"
#include "daemon/broker/tenant.h"
#include "daemon/net/unique_fd.h"
#include "daemon/rpc/http2_gate.h"

namespace wasi_netd::rpc {

using net::Task;

class HostRelay : public std::enable_shared_from_this<HostRelay> {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::local::stream_protocol, net::Loop>;

  // Takes the host's socket. `grpc_end` is set to the descriptor that is gRPC's, non-blocking.
  static Result<std::shared_ptr<HostRelay>> make(broker::Tenant&, Socket host, Charge, net::UniqueFd& grpc_end);

  // What ended it, if the host broke a rule (Http2Gate::violation()); else null.
  using Over = std::function<void(const char* violation)>;
  // Spawns the flows; `over` runs when both have ended.
  void start(Over over);
  int host_fd() { return host_.native_handle(); }
  // The host sends nothing more: what gRPC still writes is dropped, so that nothing waits for the host to take it.
  void host_ended();
  // Tells gRPC that the host has ended; what gRPC wrote until it lets go still goes to the host. Then both sides end.
  void finish();
  // Ends both sides at once.
  void cut();

 private:
  // Large enough for what the kernel holds of a host's bulk: each read and write costs the other processor a wake-up.
  static constexpr size_t kFromHost = 256 * 1024, kFromGrpc = 64 * 1024;

  HostRelay(broker::Tenant&, Socket host, Socket grpc, Charge);
  static Task<void> run_in(std::shared_ptr<HostRelay> self);
  static Task<void> run_out(std::shared_ptr<HostRelay> self);
  Task<bool> pass_in(size_t size);
  void flow_ended();

  broker::Tenant& tenant_;
  Socket host_, grpc_;
  const Charge charge_;
  Http2Gate gate_;
  Event released_;
  bool host_takes_ = true;  // what gRPC writes
  bool grpc_gone_ = false;
  bool finishing_ = false;
  int flows_ = 0;
  Over over_;
  std::array<char, kFromHost> in_;
  std::array<char, kFromGrpc> out_;
};

}  // namespace wasi_netd::rpc
