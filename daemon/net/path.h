#pragma once
// The way from an address to a connection that carries a guest's bytes: a socket, and what the protocol puts on top of
// it - a tunnel through its proxy, TLS with the server. One loop's thread.
#include <memory>
#include <optional>
#include <vector>

#include "daemon/net/net.h"
#include "daemon/net/tls/tls.h"
#include "policy/proxy.h"

namespace wasi_netd::net {

// What a protocol's connections have in common. Made once, shared by pointer, not changed after.
struct Path {
  std::optional<policy::Proxy> proxy;
  std::shared_ptr<Resolver> proxy_resolver;  // of a proxy that has a name
  std::shared_ptr<TlsContext> proxy_tls;     // of an https:// proxy
  std::shared_ptr<TlsContext> tls;           // with the server, through the tunnel if there is one

  // The most that a connection can hold in memory while it is being made, in bytes; then Connection::memory() says it.
  uint64_t memory() const {
    return (proxy_tls ? proxy_tls->handshake_memory() : 0) + (proxy ? kProxyMemory : 0) +
           (tls ? tls->handshake_memory() : 0);
  }
  static constexpr uint64_t kProxyMemory = 32 * 1024;  // an answer of the greatest length, and what came behind it
};

// Goes it. `targets` are judged addresses (or, where the proxy resolves, the judged name), `asked` is what the guest
// asked for: TLS verifies that. `bound`, if any, is the socket to use; it reaches its own family only.
//
// Without a proxy the targets race (dial_stream). Through one they are tried in turn, each over a new connection to the
// proxy, and the next only when the proxy says that it cannot reach the one before; at most four, from a bound socket
// one. The proxy's own addresses race. The error is the last attempt's; each step has its own time limit
// (policy::Proxy, policy::Tls). A bound socket does not wait for targets that come later: it goes to one of the first.
std::shared_ptr<Dial> dial_path(Loop, std::shared_ptr<const Path>, std::vector<Endpoint> targets, Targets,
                                Endpoint asked, std::shared_ptr<Bound> bound);

}  // namespace wasi_netd::net
