#include "policy/question.h"

namespace wasi_netd::policy {
namespace {

bool looks_like_unix(std::string_view address) {
  return address.empty() || address.front() == '/' || address.front() == '@';
}

std::optional<Endpoint> parse_resolved(const Question& question, std::string& error) {
  if (question.via.empty()) {
    if (std::optional<std::string> name = parse_name(question.address)) return NameEndpoint{std::move(*name), 0};
    error = "expected a host name without a port";
    return std::nullopt;
  }
  std::string_view address = question.address;
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  if (const std::optional<IpAddress> ip = parse_ip(address)) return IpEndpoint{*ip, 0};
  error = "expected an IP address without a port, which the name resolved to";
  return std::nullopt;
}

}  // namespace

std::optional<Request> parse_question(const TenantPolicy& policy, const Question& question, std::string& error) {
  Request request{question.guest, question.protocol, question.operation, {}, {}};
  const Protocol* protocol = policy.protocol(question.protocol);
  Transport transport = looks_like_unix(question.address) ? Transport::kUnix : Transport::kTcp;
  if (protocol != nullptr) transport = protocol->transport;

  std::optional<Endpoint> endpoint;
  if (question.operation == Operation::kResolve) {
    endpoint = parse_resolved(question, error);
  } else {
    endpoint = parse_endpoint(question.address, transport);
    if (!endpoint) {
      error = uses_ip(transport) ? "expected IPV4:PORT, [IPV6]:PORT or NAME:PORT"
                                 : "expected an absolute path or @name of at most 107 bytes";
    }
  }
  if (!endpoint) return std::nullopt;
  request.endpoint = std::move(*endpoint);

  if (!question.via.empty()) {
    if (question.operation != Operation::kConnect && question.operation != Operation::kResolve &&
        question.operation != Operation::kSendTo) {
      error = "a name to come from goes with connect, resolve and send_to only";
      return std::nullopt;
    }
    request.via_name = parse_name(question.via);
    if (!request.via_name || !std::holds_alternative<IpEndpoint>(request.endpoint)) {
      error = "a name to come from goes with an IP address";
      return std::nullopt;
    }
  }
  return request;
}

}  // namespace wasi_netd::policy
