#include "daemon/broker/names.h"

#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {
namespace {

// A static entry of `hosts:` does not change while the policy is the same.
constexpr std::chrono::seconds kStaticTtl{3600};

Task<Result<net::Answer>> look_up(std::shared_ptr<Session> session, std::string protocol_name, std::string name,
                                  Call& call) {
  const policy::Protocol* protocol = session->tenant().policy().protocol(protocol_name);
  if (!protocol) co_return Error{Errno::notcapable, "protocol is gone"};
  const auto fixed = protocol->resolver.hosts.find(name);
  if (fixed != protocol->resolver.hosts.end()) {
    net::Answer answer{fixed->second, kStaticTtl};
    co_return answer;
  }
  if (call.cancelled()) co_return Error{Errno::canceled, "call cancelled"};
  boost::asio::cancellation_signal stop;
  call.on_cancel([&stop] { stop.emit(boost::asio::cancellation_type::terminal); });
  auto found = co_await session->tenant().runtime(*protocol).resolver().resolve(std::move(name), stop.slot());
  call.on_cancel(nullptr);
  // `again` would mean something else to a guest with a non-blocking fd.
  if (!found && found.error().code == Errno::again) co_return Error{Errno::io, found.error().detail};
  co_return found;
}

}  // namespace

policy::Decision judge(const Session& session, policy::Request& request) {
  const policy::TenantPolicy& policy = session.tenant().policy();
  policy::Decision decision = policy.decide(request);
  const auto* literal = std::get_if<policy::IpEndpoint>(&request.endpoint);
  const bool dials =
      request.operation == policy::Operation::kConnect || request.operation == policy::Operation::kSendTo;
  if (!literal || !dials) return decision;
  // With TLS the name also says who the peer must prove to be.
  const policy::Protocol* protocol = policy.protocol(request.protocol);
  const bool allowed = decision.verdict == policy::Verdict::kAllow;
  if (allowed && !(protocol && protocol->tls)) return decision;
  for (const std::string& name : session.names_of(request.protocol, literal->address)) {
    policy::Request as_name = request;
    as_name.via_name = name;
    policy::Decision by_name = policy.decide(as_name);
    // What audit mode lets pass either way passes as the address it is, unless a rule allows the name.
    if (by_name.verdict != policy::Verdict::kAllow && (decision.permitted() || !by_name.permitted())) continue;
    request = std::move(as_name);
    return by_name;
  }
  return decision;
}

Task<Result<Permitted>> resolve_permitted(std::shared_ptr<Session> session, policy::Request request, std::string asked,
                                          policy::Decision name_decision, Call& call, Record record) {
  Tenant& tenant = session->tenant();
  const auto target = std::get<policy::NameEndpoint>(request.endpoint);
  auto answer = co_await look_up(session, request.protocol, target.name, call);
  const AuditSubject who = session->subject(request.protocol);
  if (!answer) {
    tenant.audit().decision(who, request.operation, asked, {}, name_decision);
    co_return answer.error();
  }
  Permitted permitted;
  permitted.ttl = answer->ttl;
  std::optional<policy::Decision> first_allowed, first_denied;
  std::vector<policy::Endpoint> denied;
  for (const policy::IpAddress& address : answer->addresses) {
    policy::Request one = request;
    one.endpoint = policy::IpEndpoint{address, target.port};
    one.via_name = target.name;
    policy::Decision decision = tenant.policy().decide(one);
    if (decision.permitted()) {
      if (!first_allowed) first_allowed = decision;
      permitted.endpoints.push_back(one.endpoint);
    } else {
      if (!first_denied) first_denied = decision;
      denied.push_back(one.endpoint);
    }
  }
  if (permitted.endpoints.empty()) {
    if (!first_denied) co_return Error{Errno::noent, "no address"};
    tenant.audit().decision(who, request.operation, asked, denied, *first_denied);
    co_return Error{Errno::acces, first_denied->reason};
  }
  permitted.decision = *first_allowed;
  if (record == Record::kAlways) {
    tenant.audit().decision(who, request.operation, asked, permitted.endpoints, permitted.decision);
  }
  co_return permitted;
}

}  // namespace wasi_netd::broker
