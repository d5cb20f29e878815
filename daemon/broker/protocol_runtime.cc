#include "daemon/broker/protocol_runtime.h"

#include <utility>

namespace wasi_netd::broker {
namespace {

Result<std::shared_ptr<net::TlsContext>> load_tls(const net::Loop& loop, const policy::Protocol& protocol,
                                                  policy::Tls settings) {
  auto context = net::TlsContext::load(loop, std::move(settings));
  if (context) return context;
  const Error& error = context.error();
  return Error{error.code, policy::to_string(protocol.where) + ": protocol " + protocol.name + ": " + error.detail};
}

}  // namespace

void ProtocolRuntime::close() const {
  resolver_->close();
  if (path_->proxy_resolver) path_->proxy_resolver->close();
}

Result<ProtocolRuntime> ProtocolRuntime::make(net::Loop loop, const policy::Protocol& protocol) {
  ProtocolRuntime runtime;
  runtime.resolver_ =
      net::make_resolver(loop, {protocol.resolver.servers, protocol.resolver.timeout, protocol.families});
  net::Path path;
  path.proxy = protocol.proxy;
  // The proxy's address is the operator's: `families` is about the guest's.
  if (protocol.proxy && std::holds_alternative<policy::NameEndpoint>(protocol.proxy->address)) {
    path.proxy_resolver = net::make_resolver(loop, {protocol.resolver.servers, protocol.resolver.timeout, {}});
  }
  if (protocol.proxy && protocol.proxy->tls) {
    policy::Tls to_proxy;
    to_proxy.ca = protocol.proxy->ca;
    to_proxy.handshake_timeout = protocol.proxy->timeout;
    auto context = load_tls(loop, protocol, std::move(to_proxy));
    if (!context) return context.error();
    path.proxy_tls = std::move(*context);
  }
  if (protocol.tls) {
    auto context = load_tls(loop, protocol, *protocol.tls);
    if (!context) return context.error();
    const bool serves = protocol.tls->role == policy::Tls::Role::kServer;
    (serves ? runtime.server_tls_ : path.tls) = std::move(*context);
  }
  runtime.path_ = std::make_shared<const net::Path>(std::move(path));
  return runtime;
}

}  // namespace wasi_netd::broker
