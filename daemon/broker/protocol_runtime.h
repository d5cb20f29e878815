#pragma once
// What a protocol of a tenant needs besides its rules: its resolver, and what stands between a socket and a stream.
//
// One per protocol, made by its tenant before the first session and kept for good. The tenant's loop.
#include <memory>

#include "daemon/net/net.h"
#include "daemon/net/path.h"
#include "policy/policy.h"

namespace wasi_netd::broker {

class ProtocolRuntime {
 public:
  // Reads the files that the protocol's `tls` and `proxy` name. The error is one line with the policy's file:line.
  static Result<ProtocolRuntime> make(net::Loop, const policy::Protocol&);

  net::Resolver& resolver() const { return *resolver_; }
  // Ends look-ups; the tenant stops.
  void close() const;
  // How connections are made.
  const std::shared_ptr<const net::Path>& path() const { return path_; }
  // With what accepted peers shake hands before a guest sees them; null: not at all.
  const std::shared_ptr<net::TlsContext>& server_tls() const { return server_tls_; }

 private:
  ProtocolRuntime() = default;
  std::shared_ptr<net::Resolver> resolver_;
  std::shared_ptr<const net::Path> path_;
  std::shared_ptr<net::TlsContext> server_tls_;
};

}  // namespace wasi_netd::broker
