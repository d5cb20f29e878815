// Calls on controls of datagrams that are not connected: send_to, recv_from.
#include "daemon/broker/calls.h"
#include "daemon/broker/control.h"
#include "daemon/broker/names.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker::calls {
namespace {

using ControlPtr = std::shared_ptr<Control>;

// The control under the handle, of datagrams, with the right. What it is says more than what is missing of it.
Result<ControlPtr> control_of(Session& session, const Token& token, RightSet needed) {
  auto control = session.find<Control>(token, Kind::kControl, 0);
  if (!control) return control.error();
  if (!(*control)->of_datagrams()) return Error{Errno::notsup, "a control of streams"};
  return session.find<Control>(token, Kind::kControl, needed);
}

// Where a datagram goes, and what allowed it.
struct Target {
  policy::Endpoint peer;
  policy::Decision decision;
  std::vector<policy::Endpoint> resolved;  // of a name
};

// The first address that a socket of this family reaches.
Result<policy::Endpoint> reachable(const std::vector<policy::Endpoint>& endpoints, const policy::Endpoint& local) {
  const policy::Family family = std::get<policy::IpEndpoint>(local).address.family;
  for (const policy::Endpoint& endpoint : endpoints) {
    if (std::get<policy::IpEndpoint>(endpoint).address.family == family) return endpoint;
  }
  return Error{Errno::afnosupport, "no address of the socket's family"};
}

// Judges the address. A refusal is recorded here.
Task<Result<Target>> judge_target(SessionPtr session, ControlPtr control, std::string address, Call& call) {
  auto endpoint = policy::parse_endpoint(address, control->transport());
  if (!endpoint || policy::is_any(*endpoint)) co_return Error{Errno::inval, "address"};
  policy::Request request = control->opened();
  request.operation = policy::Operation::kSendTo;
  request.endpoint = *endpoint;
  Target target{*endpoint, judge(*session, request), {}};
  if (!target.decision.permitted()) {
    session->tenant().audit().decision(session->subject(request.protocol), request.operation, address, {},
                                       target.decision);
    co_return Error{Errno::acces, target.decision.reason};
  }
  if (!std::holds_alternative<policy::NameEndpoint>(*endpoint)) co_return target;
  Begin at_once;  // a datagram goes to one address
  auto permitted = co_await resolve_permitted(session, std::move(request), address, target.decision, call,
                                              std::move(at_once), Record::kRefusals);
  if (!permitted) co_return permitted.error();
  target.decision = std::move(permitted->decision);
  target.resolved = std::move(permitted->endpoints);
  auto peer = reachable(target.resolved, control->opened().endpoint);
  if (!peer) {
    session->tenant().audit().decision(session->subject(control->opened().protocol), policy::Operation::kSendTo,
                                       address, target.resolved, target.decision);
    co_return peer.error();
  }
  target.peer = std::move(*peer);
  co_return target;
}

}  // namespace

Task<Status> send_to(SessionPtr session, Token token, std::string address, std::string_view data, bool nonblock,
                     Call& call) {
  auto control = control_of(*session, token, right::net_send_to);
  if (!control) co_return control.error();
  auto target = co_await judge_target(session, *control, address, call);
  if (!target) co_return target.error();
  bool permitted = false;
  for (;;) {
    auto found = control_of(*session, token, right::net_send_to);  // it may be gone after a wait
    if (!found) co_return found.error();
    auto datagrams = (*control)->datagrams();
    if (!datagrams) co_return datagrams.error();
    if (!permitted) {
      auto is_new = (*datagrams)->permit(target->peer, address);
      if (!is_new) co_return is_new.error();
      if (*is_new) {
        session->tenant().audit().decision(session->subject((*control)->opened().protocol), policy::Operation::kSendTo,
                                           address, target->resolved, target->decision);
      }
      permitted = true;
    }
    auto sent = (*datagrams)->send_now(data, target->peer);
    if (sent || sent.error().code != Errno::again) co_return sent;
    if (nonblock) {
      (*control)->arm(token, kWritable);
      co_return sent;
    }
    if (call.cancelled()) co_return Error{Errno::canceled, "call cancelled"};
    co_await Datagrams::wait(*datagrams, kWritable, call);
  }
}

Task<Result<net::Datagram>> recv_from(SessionPtr session, Token token, size_t max, bool nonblock, Call& call) {
  for (;;) {
    auto control = control_of(*session, token, right::net_recv_from);
    if (!control) co_return control.error();
    auto datagrams = (*control)->datagrams();
    if (!datagrams) co_return datagrams.error();
    auto got = (*datagrams)->receive_now(max);
    if (got || got.error().code != Errno::again) co_return got;
    if (nonblock) {
      (*control)->arm(token, kReadable);
      co_return got;
    }
    if (call.cancelled()) co_return Error{Errno::canceled, "call cancelled"};
    co_await Datagrams::wait(*datagrams, kReadable, call);
  }
}

}  // namespace wasi_netd::broker::calls
