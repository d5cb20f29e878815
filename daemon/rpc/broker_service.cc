#include "daemon/rpc/broker_service.h"

#include "daemon/broker/calls.h"
#include "daemon/rpc/data_calls.h"
#include "daemon/rpc/messages.h"
#include "daemon/rpc/session_call.h"
#include "daemon/rpc/transfer.h"
#include "daemon/rpc/unary_rpc.h"

namespace wasi_netd::rpc {
namespace {

using broker::Session;
using broker::Tenant;
namespace calls = broker::calls;
using SessionPtr = std::shared_ptr<Session>;
using RpcPtr = std::shared_ptr<UnaryRpc>;

grpc::Status stopping() { return {grpc::StatusCode::UNAVAILABLE, "the daemon is stopping"}; }

SessionPtr session_of(Tenant& tenant, const std::string& token) {
  const auto parsed = Token::parse(token);
  return parsed ? tenant.find_session(*parsed) : nullptr;
}

// Handles made for a call whose client is gone are closed.
void close_lost(Tenant& tenant, const std::string& session_token, const v1::HandleReply& reply) {
  const auto handle = Token::parse(reply.handle());
  if (!handle) return;
  boost::asio::post(tenant.loop(), [&tenant, session_token, handle = *handle] {
    if (const auto session = session_of(tenant, session_token)) (void)calls::close(*session, handle);
  });
}
template <class Reply>
void close_lost(Tenant&, const std::string&, const Reply&) {}

template <class Request, class Reply>
auto lost(Tenant& tenant, const Request* request, Reply* reply) {
  return [&tenant, request, reply] { close_lost(tenant, request->session(), *reply); };
}

grpc::ServerUnaryReactor* refused(grpc::CallbackServerContext* context, grpc::Status status) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(std::move(status));
  return reactor;
}

// A call that may wait: the body is a coroutine function.
template <class Request, class Reply>
using Waiting = Task<grpc::Status> (*)(SessionPtr, const Request&, Reply&, UnaryRpc&);

template <class Request, class Reply>
Task<void> run_flow(RpcPtr rpc, SessionPtr session, const Request* request, Reply* reply,
                    Waiting<Request, Reply> body) {
  grpc::Status status = co_await body(session, *request, *reply, *rpc);
  rpc->finish(std::move(status));
}

std::optional<net::Option> option_of(v1::Option option) {
  switch (option) {
    case v1::NODELAY:
      return net::Option::kNodelay;
    case v1::KEEPALIVE:
      return net::Option::kKeepalive;
    case v1::RECEIVE_BUFFER:
      return net::Option::kReceiveBuffer;
    case v1::SEND_BUFFER:
      return net::Option::kSendBuffer;
    default:
      return std::nullopt;
  }
}

grpc::Status answer_address(v1::AddressReply& reply, const Result<policy::Endpoint>& endpoint) {
  if (!endpoint) return refuse(reply, endpoint.error());
  reply.set_address(policy::to_string(*endpoint));
  return grpc::Status::OK;
}

Task<grpc::Status> accept(SessionPtr session, const v1::AcceptRequest& request, v1::HandleReply& reply, UnaryRpc& rpc) {
  auto made = co_await calls::accept(session, handle_of(request.control()), request.nonblock(), rpc.call());
  co_return answer(reply, made);
}

Task<grpc::Status> connect(SessionPtr session, const v1::ConnectRequest& request, v1::HandleReply& reply,
                           UnaryRpc& rpc) {
  auto made =
      co_await calls::connect(session, handle_of(request.control()), request.address(), request.nonblock(), rpc.call());
  co_return answer(reply, made);
}

Task<grpc::Status> stream_create(SessionPtr session, const v1::StreamCreateRequest& request, v1::HandleReply& reply,
                                 UnaryRpc& rpc) {
  auto made = co_await calls::stream_create(session, handle_of(request.connection()), from_proto(request.rights()),
                                            request.nonblock(), rpc.call());
  co_return answer(reply, made);
}

Task<grpc::Status> stream_accept(SessionPtr session, const v1::StreamAcceptRequest& request, v1::HandleReply& reply,
                                 UnaryRpc& rpc) {
  auto made = co_await calls::stream_accept(session, handle_of(request.connection()), request.nonblock(), rpc.call());
  co_return answer(reply, made);
}

Task<grpc::Status> resolve(SessionPtr session, const v1::ResolveRequest& request, v1::ResolveReply& reply,
                           UnaryRpc& rpc) {
  auto addresses = co_await calls::resolve(session, handle_of(request.protocol()), request.name(), rpc.call());
  if (!addresses) co_return refuse(reply, addresses.error());
  for (const auto& address : *addresses) reply.add_addresses(policy::to_string(address));
  co_return grpc::Status::OK;
}

}  // namespace

std::optional<CallLimit::Slot> BrokerService::enter() {
  auto slot = calls_.enter();
  if (!slot) {
    boost::asio::post(tenant_.loop(), [&tenant = tenant_, used = calls_.used()] {
      tenant.audit().quota({tenant.name(), {}, {}, {}}, "calls", used);
    });
  }
  return slot;
}

// A call that never waits. `body(session, request, reply)` returns the rpc's status.
template <class Request, class Reply, class Body>
grpc::ServerUnaryReactor* BrokerService::run_now(grpc::CallbackServerContext* context, const Request* request,
                                                 Reply* reply, Body body) {
  auto slot = enter();
  if (!slot) return refused(context, too_many_calls());
  const auto start = [&tenant = tenant_, request, reply, body](const RpcPtr& rpc) {
    const SessionPtr session = session_of(tenant, request->session());
    rpc->finish(session ? body(*session, *request, *reply) : unknown_session());
  };
  return UnaryRpc::run(tenant_.loop(), context, std::move(*slot), start, lost(tenant_, request, reply));
}

// A call that may wait. `body` is a Waiting.
template <class Request, class Reply, class Body>
grpc::ServerUnaryReactor* BrokerService::run_waiting(grpc::CallbackServerContext* context, const Request* request,
                                                     Reply* reply, Body body) {
  auto slot = enter();
  if (!slot) return refused(context, too_many_calls());
  const auto start = [&tenant = tenant_, request, reply, body](const RpcPtr& rpc) {
    const SessionPtr session = session_of(tenant, request->session());
    if (!session) {
      rpc->finish(unknown_session());
    } else if (!tenant.spawn(run_flow<Request, Reply>(rpc, session, request, reply, body))) {
      rpc->finish(stopping());
    }
  };
  return UnaryRpc::run(tenant_.loop(), context, std::move(*slot), start, lost(tenant_, request, reply));
}

#define WASI_NETD_NOW(name, Request, Reply)                                                                          \
  grpc::ServerUnaryReactor* BrokerService::name(grpc::CallbackServerContext* context, const v1::Request* request_in, \
                                                v1::Reply* reply_out) {                                              \
    const auto body = [](Session & session, const v1::Request& request, v1::Reply& reply) -> grpc::Status
#define WASI_NETD_END                                   \
  ;                                                     \
  return run_now(context, request_in, reply_out, body); \
  }

WASI_NETD_NOW(Open, OpenRequest, HandleReply) {
  return answer(reply, calls::open(session, handle_of(request.protocol()), request.address(),
                                   static_cast<uint32_t>(request.type()), from_proto(request.rights())));
}
WASI_NETD_END

WASI_NETD_NOW(Listen, ListenRequest, StatusReply) {
  return answer(reply, calls::listen(session, handle_of(request.control()), request.backlog()));
}
WASI_NETD_END

WASI_NETD_NOW(Close, HandleRequest, StatusReply) {
  return answer(reply, calls::close(session, handle_of(request.handle())));
}
WASI_NETD_END

WASI_NETD_NOW(Restrict, RightsRequest, HandleReply) {
  return answer(reply, calls::restrict_handle(session, handle_of(request.handle()), from_proto(request.rights())));
}
WASI_NETD_END

WASI_NETD_NOW(SetRights, RightsRequest, StatusReply) {
  const auto rights = calls::set_rights(session, handle_of(request.handle()), from_proto(request.rights()));
  return rights ? grpc::Status::OK : refuse(reply, rights.error());
}
WASI_NETD_END

WASI_NETD_NOW(Shutdown, ShutdownRequest, StatusReply) {
  return answer(reply, calls::shutdown(session, handle_of(request.handle()), request.read(), request.write()));
}
WASI_NETD_END

WASI_NETD_NOW(Poll, PollRequest, PollReply) {
  const auto now = calls::poll(session, handle_of(request.handle()), request.interest());
  if (!now) return refuse(reply, now.error());
  reply.set_readiness(now->readiness);
  reply.set_next_size(now->next_size);
  return grpc::Status::OK;
}
WASI_NETD_END

WASI_NETD_NOW(LocalAddress, HandleRequest, AddressReply) {
  return answer_address(reply, calls::local_address(session, handle_of(request.handle())));
}
WASI_NETD_END

WASI_NETD_NOW(PeerAddress, HandleRequest, AddressReply) {
  return answer_address(reply, calls::peer_address(session, handle_of(request.handle())));
}
WASI_NETD_END

WASI_NETD_NOW(ConnectionInfo, HandleRequest, ConnectionInfoReply) {
  const auto facts = calls::connection_info(session, handle_of(request.handle()));
  if (!facts) return refuse(reply, facts.error());
  reply.set_transport(std::string(policy::to_string(facts->transport)));
  reply.set_alpn(facts->negotiated.alpn);
  reply.set_tls_version(facts->negotiated.tls_version);
  reply.set_tls_cipher(facts->negotiated.tls_cipher);
  reply.set_peer_name(facts->negotiated.peer_name);
  return grpc::Status::OK;
}
WASI_NETD_END

WASI_NETD_NOW(SetOption, SetOptionRequest, StatusReply) {
  const auto option = option_of(request.option());
  if (!option) return refuse(reply, {Errno::noprotoopt, "unknown option"});
  return answer(reply, calls::set_option(session, handle_of(request.handle()), *option, request.value()));
}
WASI_NETD_END

WASI_NETD_NOW(GetOption, GetOptionRequest, GetOptionReply) {
  const auto option = option_of(request.option());
  if (!option) return refuse(reply, {Errno::noprotoopt, "unknown option"});
  const auto value = calls::get_option(session, handle_of(request.handle()), *option);
  if (!value) return refuse(reply, value.error());
  reply.set_value(*value);
  return grpc::Status::OK;
}
WASI_NETD_END

#undef WASI_NETD_NOW
#undef WASI_NETD_END

#define WASI_NETD_WAITING(name, Request, Reply, body)                                                             \
  grpc::ServerUnaryReactor* BrokerService::name(grpc::CallbackServerContext* context, const v1::Request* request, \
                                                v1::Reply* reply) {                                               \
    return run_waiting(context, request, reply, &body);                                                           \
  }
WASI_NETD_WAITING(Accept, AcceptRequest, HandleReply, accept)
WASI_NETD_WAITING(Connect, ConnectRequest, HandleReply, connect)
WASI_NETD_WAITING(StreamCreate, StreamCreateRequest, HandleReply, stream_create)
WASI_NETD_WAITING(StreamAccept, StreamAcceptRequest, HandleReply, stream_accept)
WASI_NETD_WAITING(Resolve, ResolveRequest, ResolveReply, resolve)
WASI_NETD_WAITING(SendTo, SendToRequest, SendToReply, send_to)
WASI_NETD_WAITING(RecvFrom, RecvFromRequest, RecvFromReply, recv_from)
WASI_NETD_WAITING(Read, ReadRequest, ReadReply, read)
WASI_NETD_WAITING(Write, WriteRequest, WriteReply, write)
#undef WASI_NETD_WAITING

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* BrokerService::OpenSession(
    grpc::CallbackServerContext* context) {
  auto slot = enter();
  if (!slot) return new RefusedStream<v1::SessionRequest, v1::SessionEvent>(too_many_calls());
  return start_session_call(tenant_, context, std::move(*slot));
}

grpc::ServerBidiReactor<v1::TransferRequest, v1::TransferReply>* BrokerService::Transfer(
    grpc::CallbackServerContext* context) {
  auto slot = enter();
  if (!slot) return new RefusedStream<v1::TransferRequest, v1::TransferReply>(too_many_calls());
  return start_transfer(tenant_, context, std::move(*slot));
}

}  // namespace wasi_netd::rpc
