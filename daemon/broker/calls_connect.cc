// Calls on protocols and controls: open, listen, accept, connect, resolve.
#include "daemon/broker/calls.h"
#include "daemon/broker/control.h"
#include "daemon/broker/names.h"
#include "daemon/broker/protocol.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker::calls {
namespace {

// What a failed call leaves behind: nothing.
Error undo(Session& session, const NewHandle& handle, Error error) {
  (void)session.close(handle.token);
  return error;
}

policy::Request request_of(const Session& session, std::string protocol, policy::Operation operation,
                           policy::Endpoint endpoint) {
  return {session.guest(), std::move(protocol), operation, std::move(endpoint), std::nullopt};
}

// TLS of the other role would leave this direction in the clear. The loader refuses such a section; audit mode asks
// none.
bool in_the_clear(const policy::Protocol& protocol, policy::Tls::Role needed) {
  return protocol.tls && protocol.tls->role != needed;
}

// Datagrams would pass the TLS of a Unix protocol by.
bool has_type(const policy::Protocol& protocol, uint32_t type) {
  if (type == kSocketStream) return protocol.transport != policy::Transport::kUdp;
  return type == kSocketDatagram && protocol.transport != policy::Transport::kTcp && !protocol.tls;
}

// Names of this protocol go to its proxy as they are.
bool proxy_resolves(const policy::Protocol& protocol) {
  return protocol.proxy && protocol.proxy->resolve == policy::Proxy::Resolve::kProxy;
}

// From a judged name to a dial. In the background: the connection says how it went.
Task<void> run_connect_by_name(std::shared_ptr<Connection> connection, policy::Request request, std::string asked,
                               policy::Decision decision, std::optional<policy::Family> family) {
  if (connection->state() != ConnectionState::kConnecting) co_return;  // given up before it began
  Call waiting;
  connection->on_decided([&waiting] { waiting.cancel(); });
  // A bound socket can only reach addresses of its own family.
  const auto cannot_reach = [family](const policy::Endpoint& endpoint) {
    return family && std::get<policy::IpEndpoint>(endpoint).address.family != *family;
  };
  bool begun = false;
  Begin begin = [&](std::vector<policy::Endpoint> first) {
    std::erase_if(first, cannot_reach);
    if (first.empty()) return;
    begun = true;
    connection->dial(std::move(first), net::Targets::kMore);
  };
  auto permitted = co_await resolve_permitted(connection->session_share(), std::move(request), asked, decision, waiting,
                                              std::move(begin));
  connection->on_decided(nullptr);
  if (connection->state() != ConnectionState::kConnecting) co_return;  // given up meanwhile, or connected
  std::vector<policy::Endpoint> targets;
  if (permitted) targets = std::move(permitted->endpoints);
  std::erase_if(targets, cannot_reach);
  if (begun) {
    connection->dial_also(std::move(targets));
    co_return;
  }
  if (!permitted) {
    connection->fail(permitted.error());
    co_return;
  }
  if (targets.empty()) {
    connection->fail({Errno::afnosupport, "no address of the bound socket's family"});
    co_return;
  }
  connection->dial(std::move(targets));
}

Error draining() { return {Errno::connaborted, "the daemon is going away"}; }

}  // namespace

Result<NewHandle> open(Session& session, const Token& protocol_token, const std::string& address, uint32_t type,
                       const Rights& wanted) {
  auto handle = session.find(protocol_token, Kind::kProtocol, right::net_open);
  if (!handle) return handle.error();
  if (session.tenant().draining()) return draining();
  const policy::Protocol& protocol = static_cast<Protocol&>(*(*handle)->object).policy();
  if (!has_type(protocol, type)) return Error{Errno::prototype, "the protocol has no sockets of this type"};
  const auto endpoint = policy::parse_endpoint(address, protocol.transport);
  if (!endpoint || std::holds_alternative<policy::NameEndpoint>(*endpoint)) return Error{Errno::inval, "bind address"};
  const auto rights = derive(Kind::kControl, (*handle)->rights, wanted);
  if (!rights) return Error{Errno::notcapable, "more rights than the protocol hands on"};

  policy::Request request = request_of(session, protocol.name, policy::Operation::kOpen, *endpoint);
  const policy::Decision decision = session.tenant().policy().decide(request);
  session.tenant().audit().decision(session.subject(protocol.name), request.operation, address, {}, decision);
  if (!decision.permitted()) return Error{Errno::acces, decision.reason};

  auto control = std::make_shared<Control>(session.shared_from_this(), std::move(request), protocol.transport,
                                           type == kSocketDatagram);
  auto made = session.insert(control, *rights);
  if (!made) return made.error();
  if (!policy::is_any(*endpoint)) {
    if (auto bound = control->bind(); !bound) return undo(session, *made, bound.error());
  }
  return made;
}

Status listen(Session& session, const Token& token, uint32_t backlog) {
  auto control = session.find<Control>(token, Kind::kControl, right::net_listen);
  if (!control) return control.error();
  policy::Request request = (*control)->opened();
  request.operation = policy::Operation::kListen;
  const policy::Decision decision = session.tenant().policy().decide(request);
  session.tenant().audit().decision(session.subject(request.protocol), request.operation,
                                    policy::to_string(request.endpoint), {}, decision);
  if (!decision.permitted()) return Error{Errno::acces, decision.reason};
  if (in_the_clear(*session.tenant().policy().protocol(request.protocol), policy::Tls::Role::kServer)) {
    return Error{Errno::acces, "the protocol's TLS is a client's"};
  }
  constexpr uint32_t kMaxBacklog = 4096;
  return (*control)->listen(static_cast<int>(std::min(backlog, kMaxBacklog)));
}

Task<Result<NewHandle>> accept(SessionPtr session, Token token, bool nonblock, Call& call) {
  auto control = session->find<Control>(token, Kind::kControl, right::net_accept);
  if (!control) co_return control.error();
  if (session->tenant().draining()) co_return draining();
  auto peer = co_await (*control)->accept(nonblock, call);
  if (!peer) {
    if (peer.error().code == Errno::again) (*control)->arm(token, kReadable);
    co_return peer.error();
  }
  auto handle = session->find(token, Kind::kControl, right::net_accept);
  if (!handle) {
    (*peer)->abort({Errno::connaborted, "control closed"});
    co_return handle.error();
  }
  auto made = session->insert(*peer, derive_all(Kind::kConnection, (*handle)->rights));
  if (!made) (*control)->keep(std::move(*peer));  // the next accept gets it
  co_return made;
}

Task<Result<NewHandle>> connect(SessionPtr session, Token token, std::string address, bool nonblock, Call& call) {
  auto handle = session->find(token, Kind::kControl, right::net_connect);
  if (!handle) co_return handle.error();
  const Rights rights = derive_all(Kind::kConnection, (*handle)->rights);
  const auto control = std::static_pointer_cast<Control>((*handle)->object);
  Tenant& tenant = session->tenant();
  if (tenant.draining()) co_return draining();
  const std::string& protocol = control->opened().protocol;

  const auto target = policy::parse_endpoint(address, control->transport());
  if (!target || policy::is_any(*target)) co_return Error{Errno::inval, "address"};
  policy::Request request = request_of(*session, protocol, policy::Operation::kConnect, *target);
  const policy::Decision decision = judge(*session, request);
  const bool by_name =
      std::holds_alternative<policy::NameEndpoint>(*target) && !proxy_resolves(*tenant.policy().protocol(protocol));
  // A permitted name is recorded with its addresses, once they are judged.
  if (!by_name || !decision.permitted()) {
    tenant.audit().decision(session->subject(protocol), request.operation, address, {}, decision);
  }
  if (!decision.permitted()) co_return Error{Errno::acces, decision.reason};
  if (in_the_clear(*tenant.policy().protocol(protocol), policy::Tls::Role::kClient)) {
    co_return Error{Errno::acces, "the protocol's TLS is a server's"};
  }

  auto charge = session->connections_quota().charge(1);
  if (!charge) {
    tenant.audit().quota(session->subject(protocol), "connections", session->connections_quota().used());
    co_return Error{Errno::nfile, "connection quota"};
  }
  Connection::Permit permit{request, decision.rule, address, control->of_datagrams()};
  const auto connection = std::make_shared<Connection>(session, std::move(permit), std::move(*charge));
  auto made = session->insert(connection, rights);
  if (!made) {
    connection->abort({Errno::canceled, "handle quota"});
    co_return made.error();
  }
  auto bound = control->prepare_connect();
  if (!bound) co_return undo(*session, *made, bound.error());
  std::optional<policy::Family> family;
  // Before the dial, which may fail at once.
  if (nonblock) connection->arm(made->token, kWritable);
  if (*bound) {
    const policy::Endpoint local = (*bound)->local_endpoint();
    const auto* ip = std::get_if<policy::IpEndpoint>(&local);
    if (ip && !connection->protocol().proxy) family = ip->address.family;  // else it is the proxy that it must reach
    connection->use_bound(control, std::move(*bound));
  }
  if (by_name) {
    tenant.spawn(run_connect_by_name(connection, std::move(request), address, decision, family));
  } else {
    std::vector<policy::Endpoint> targets(1, *target);
    connection->dial(std::move(targets));
  }
  if (nonblock) co_return made;
  co_await connection->decided(call);
  if (connection->state() == ConnectionState::kConnecting)
    co_return undo(*session, *made, {Errno::canceled, "call cancelled"});
  if (connection->state() != ConnectionState::kConnected) {
    Error error = connection->error();
    co_return undo(*session, *made, std::move(error));
  }
  co_return made;
}

Task<Result<std::vector<policy::IpAddress>>> resolve(SessionPtr session, Token token, std::string text, Call& call) {
  auto handle = session->find(token, Kind::kProtocol, right::net_resolve);
  if (!handle) co_return handle.error();
  const policy::Protocol& protocol = static_cast<Protocol&>(*(*handle)->object).policy();
  if (protocol.transport == policy::Transport::kUnix) co_return Error{Errno::notsup, "no names on this transport"};
  if (proxy_resolves(protocol)) co_return Error{Errno::notsup, "the proxy resolves this protocol's names"};
  const auto name = policy::parse_name(text);
  if (!name) co_return Error{Errno::inval, "name"};
  policy::Request request =
      request_of(*session, protocol.name, policy::Operation::kResolve, policy::NameEndpoint{*name, 0});
  const policy::Decision decision = session->tenant().policy().decide(request);
  if (!decision.permitted()) {
    session->tenant().audit().decision(session->subject(protocol.name), request.operation, text, {}, decision);
    co_return Error{Errno::acces, decision.reason};
  }
  auto permitted = co_await resolve_permitted(session, std::move(request), text, decision, call);
  if (!permitted) co_return permitted.error();
  std::vector<policy::IpAddress> addresses;
  for (const policy::Endpoint& endpoint : permitted->endpoints) {
    addresses.push_back(std::get<policy::IpEndpoint>(endpoint).address);
    session->remember_answer(protocol.name, addresses.back(), *name, permitted->ttl);
  }
  co_return addresses;
}

}  // namespace wasi_netd::broker::calls
