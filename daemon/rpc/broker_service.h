#pragma once
// The Broker service of one tenant: messages in, calls of the broker on the tenant's loop, messages out. No rule lives
// here.
//
// One per tenant, so it knows its tenant by construction. gRPC's threads enter, as many calls as the limit has room
// for; everything else runs on the loop.
#include "daemon/broker/tenant.h"
#include "daemon/rpc/call_limit.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::rpc {

class BrokerService final : public v1::Broker::CallbackService {
 public:
  // Both outlive the server that this service is registered with.
  BrokerService(broker::Tenant& tenant, CallLimit& calls) : tenant_(tenant), calls_(calls) {}

#define WASI_NETD_UNARY(name, Request, Reply)                                                                        \
  grpc::ServerUnaryReactor* name(grpc::CallbackServerContext* context, const v1::Request* request, v1::Reply* reply) \
      override;
  WASI_NETD_UNARY(Open, OpenRequest, HandleReply)
  WASI_NETD_UNARY(Listen, ListenRequest, StatusReply)
  WASI_NETD_UNARY(Accept, AcceptRequest, HandleReply)
  WASI_NETD_UNARY(Connect, ConnectRequest, HandleReply)
  WASI_NETD_UNARY(StreamCreate, StreamCreateRequest, HandleReply)
  WASI_NETD_UNARY(StreamAccept, StreamAcceptRequest, HandleReply)
  WASI_NETD_UNARY(Close, HandleRequest, StatusReply)
  WASI_NETD_UNARY(Restrict, RightsRequest, HandleReply)
  WASI_NETD_UNARY(SetRights, RightsRequest, StatusReply)
  WASI_NETD_UNARY(Shutdown, ShutdownRequest, StatusReply)
  WASI_NETD_UNARY(Poll, PollRequest, PollReply)
  WASI_NETD_UNARY(LocalAddress, HandleRequest, AddressReply)
  WASI_NETD_UNARY(PeerAddress, HandleRequest, AddressReply)
  WASI_NETD_UNARY(ConnectionInfo, HandleRequest, ConnectionInfoReply)
  WASI_NETD_UNARY(Resolve, ResolveRequest, ResolveReply)
  WASI_NETD_UNARY(SetOption, SetOptionRequest, StatusReply)
  WASI_NETD_UNARY(GetOption, GetOptionRequest, GetOptionReply)
  WASI_NETD_UNARY(SendTo, SendToRequest, SendToReply)
  WASI_NETD_UNARY(RecvFrom, RecvFromRequest, RecvFromReply)
  WASI_NETD_UNARY(Read, ReadRequest, ReadReply)
  WASI_NETD_UNARY(Write, WriteRequest, WriteReply)
#undef WASI_NETD_UNARY

  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* OpenSession(grpc::CallbackServerContext*) override;
  grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* Transfer(grpc::CallbackServerContext*) override;

 private:
  // nullopt, and an audit record: too many calls.
  std::optional<CallLimit::Slot> enter();
  // What runs the call, or refuses it.
  template <class Request, class Reply, class Body>
  grpc::ServerUnaryReactor* run_now(grpc::CallbackServerContext*, const Request*, Reply*, Body);
  template <class Request, class Reply, class Body>
  grpc::ServerUnaryReactor* run_waiting(grpc::CallbackServerContext*, const Request*, Reply*, Body);

  broker::Tenant& tenant_;
  CallLimit& calls_;
};

}  // namespace wasi_netd::rpc
