#pragma once
// The Broker service of one tenant: messages in, calls of the broker on the tenant's loop, messages out. No rule lives
// here.
//
// One per tenant, so it knows its tenant by construction. gRPC's threads enter; everything else runs on the loop.
#include "daemon/broker/tenant.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::rpc {

class BrokerService final : public v1::Broker::CallbackService {
 public:
  // The tenant outlives the server that this service is registered with.
  explicit BrokerService(broker::Tenant& tenant) : tenant_(tenant) {}

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
  WASI_NETD_UNARY(Read, ReadRequest, ReadReply)
  WASI_NETD_UNARY(Write, WriteRequest, WriteReply)
#undef WASI_NETD_UNARY

  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* OpenSession(grpc::CallbackServerContext*) override;
  grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* Transfer(grpc::CallbackServerContext*) override;

 private:
  broker::Tenant& tenant_;
};

}  // namespace wasi_netd::rpc
