#include "daemon/rpc/session_call.h"

#include "daemon/rpc/messages.h"

namespace wasi_netd::rpc {
namespace {

using broker::Session;
using broker::SessionEvent;
using broker::Tenant;
using Rpc = RpcStream<v1::SessionRequest, v1::SessionEvent>;

// Reads until the host ends the session, in order or not. Runs beside the events; its end makes next_event() answer
// kEnd.
Task<void> read_requests(std::shared_ptr<Rpc> rpc, std::shared_ptr<Session> session) {
  while (const v1::SessionRequest* request = co_await rpc->read()) {
    if (request->has_closed()) {
      if (const auto stream = Token::parse(request->closed())) session->stream_closed(*stream);
      continue;
    }
    if (!request->has_end()) break;  // a second hello: no correct shim sends it
    co_await session->end(session->tenant().linger());
    co_return;
  }
  session->abort();
}

Task<grpc::Status> tell_events(std::shared_ptr<Rpc> rpc, std::shared_ptr<Session> session) {
  v1::SessionEvent message;
  for (;;) {
    const SessionEvent event = co_await session->next_event();
    switch (event.kind) {
      case SessionEvent::Kind::kEnd:
        if (session->ended_in_order()) co_return grpc::Status::OK;
        co_return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the session was cut off");
      case SessionEvent::Kind::kClosing:
        message.mutable_closing();
        break;
      case SessionEvent::Kind::kPassingError:
        message.mutable_passing_error()->set_stream(event.handle.raw());
        message.mutable_passing_error()->set_error(to_proto(event.error));
        break;
      case SessionEvent::Kind::kWriteEnded:
        message.mutable_write_ended()->set_stream(event.handle.raw());
        message.mutable_write_ended()->set_error(to_proto(event.error));
        break;
      case SessionEvent::Kind::kReady:
        message.mutable_ready()->set_handle(event.handle.raw());
        message.mutable_ready()->set_readiness(event.readiness);
        message.mutable_ready()->set_next_size(event.next_size);
        break;
    }
    if (!co_await rpc->write(message)) {
      session->abort();
      co_return grpc::Status::OK;
    }
  }
}

Task<grpc::Status> serve(std::shared_ptr<Rpc> rpc, Tenant& tenant) {
  const v1::SessionRequest* first = co_await rpc->read_first();
  if (!first) co_return grpc::Status::CANCELLED;
  if (!first->has_hello()) co_return malformed("hello comes first");
  const v1::Hello& hello = first->hello();
  const RightSet ceiling = hello.has_rights() ? hello.rights() : right::kAll;
  v1::SessionEvent message;
  auto opened = tenant.open_session(hello.guest(), ceiling);
  if (!opened) {
    message.set_refused(to_proto(opened.error().code));
    (void)co_await rpc->write(message);
    co_return grpc::Status::OK;
  }
  const std::shared_ptr<Session> session = opened->session;
  v1::SessionOpened& reply = *message.mutable_opened();
  reply.set_session(session->token().raw());
  reply.set_linger_ms(static_cast<uint32_t>(tenant.linger().count()));
  for (const auto& grant : opened->protocols) {
    v1::ProtocolObject& object = *reply.add_protocols();
    object.set_name(grant.name);
    object.set_handle(grant.handle.token.raw());
    to_proto(grant.handle.rights, object.mutable_rights());
  }
  // From here on the session must end with the call, so the reader starts before the first wait.
  if (!tenant.spawn(read_requests(rpc, session))) {
    session->abort();
    co_return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the daemon is stopping");
  }
  if (!co_await rpc->write(message)) session->abort();
  grpc::Status status = co_await tell_events(rpc, session);
  co_return status;
}

Task<void> run(std::shared_ptr<Rpc> rpc, Tenant& tenant) {
  grpc::Status status = co_await serve(rpc, tenant);
  rpc->finish(std::move(status));
}

}  // namespace

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* start_session_call(Tenant& tenant,
                                                                                  grpc::CallbackServerContext* context,
                                                                                  CallLimit::Slot slot) {
  const auto rpc = Rpc::open(tenant.loop(), context, std::move(slot));
  boost::asio::post(tenant.loop(), [rpc, &tenant] {
    if (!tenant.spawn(run(rpc, tenant))) rpc->finish({grpc::StatusCode::UNAVAILABLE, "the daemon is stopping"});
  });
  return rpc.get();
}

}  // namespace wasi_netd::rpc
