#include "daemon/broker/names.h"

#include <algorithm>

#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {
namespace {

// A static entry of `hosts:` does not change while the policy is the same.
constexpr std::chrono::seconds kStaticTtl{3600};

Error given_up(const Session& session) {
  return session.over() ? Error{Errno::connaborted, "session is over"} : Error{Errno::canceled, "call cancelled"};
}

Task<Result<net::Answer>> look_up(std::shared_ptr<Session> session, std::string protocol_name, std::string name,
                                  Call& call, net::Resolver::Early early) {
  const policy::Protocol* protocol = session->tenant().policy().protocol(protocol_name);
  if (!protocol) co_return Error{Errno::notcapable, "protocol is gone"};
  const auto fixed = protocol->resolver.hosts.find(name);
  if (fixed != protocol->resolver.hosts.end()) {
    net::Answer answer{fixed->second, kStaticTtl};
    co_return answer;
  }
  const Session::CancelAtEnd bound(*session, call);
  if (call.cancelled()) co_return given_up(*session);
  boost::asio::cancellation_signal stop;
  call.on_cancel([&stop] { stop.emit(boost::asio::cancellation_type::terminal); });
  auto found =
      co_await session->tenant().runtime(*protocol).resolver().resolve(std::move(name), stop.slot(), std::move(early));
  call.on_cancel(nullptr);
  if (!found && call.cancelled()) co_return given_up(*session);
  // `again` would mean something else to a guest with a non-blocking fd.
  if (!found && found.error().code == Errno::again) co_return Error{Errno::io, found.error().detail};
  co_return found;
}

struct Judged {
  std::vector<policy::Endpoint> permitted, denied;
  std::optional<policy::Decision> first_allowed, first_denied;
};

// Addresses that the name in request.endpoint led to, each as such.
Judged judge_answers(const policy::TenantPolicy& policy, const policy::Request& request,
                     const std::vector<policy::IpAddress>& addresses) {
  const auto& asked = std::get<policy::NameEndpoint>(request.endpoint);
  Judged judged;
  for (const policy::IpAddress& address : addresses) {
    policy::Request one = request;
    one.endpoint = policy::IpEndpoint{address, asked.port};
    one.via_name = asked.name;
    policy::Decision decision = policy.decide(one);
    const bool permitted = decision.permitted();
    auto& first = permitted ? judged.first_allowed : judged.first_denied;
    if (!first) first = std::move(decision);
    (permitted ? judged.permitted : judged.denied).push_back(one.endpoint);
  }
  return judged;
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
                                          policy::Decision name_decision, Call& call, Begin begin, Record record) {
  Tenant& tenant = session->tenant();
  const std::string name = std::get<policy::NameEndpoint>(request.endpoint).name;
  const AuditSubject who = session->subject(request.protocol);
  std::vector<policy::IpAddress> begun;
  net::Resolver::Early early;
  if (begin) {
    early = [&](const net::Answer& first) {
      Judged judged = judge_answers(tenant.policy(), request, first.addresses);
      if (judged.permitted.empty()) return;  // the rest may have some
      tenant.audit().decision(who, request.operation, asked, judged.permitted, *judged.first_allowed);
      begun = first.addresses;
      begin(std::move(judged.permitted));
    };
  }
  auto answer = co_await look_up(session, request.protocol, name, call, std::move(early));
  if (!answer) {
    if (begun.empty()) tenant.audit().decision(who, request.operation, asked, {}, name_decision);
    co_return answer.error();
  }
  std::erase_if(answer->addresses, [&begun](const auto& one) { return std::ranges::count(begun, one) > 0; });
  Judged judged = judge_answers(tenant.policy(), request, answer->addresses);
  if (!judged.permitted.empty()) {
    if (record == Record::kAlways) {
      tenant.audit().decision(who, request.operation, asked, judged.permitted, *judged.first_allowed);
    }
  } else if (begun.empty()) {
    if (!judged.first_denied) co_return Error{Errno::noent, "no address"};
    tenant.audit().decision(who, request.operation, asked, judged.denied, *judged.first_denied);
    co_return Error{Errno::acces, judged.first_denied->reason};
  }
  Permitted permitted;
  permitted.ttl = answer->ttl;
  permitted.endpoints = std::move(judged.permitted);
  if (judged.first_allowed) permitted.decision = std::move(*judged.first_allowed);
  co_return permitted;
}

}  // namespace wasi_netd::broker
