#pragma once
// A tunnel through an upstream proxy (the `proxy:` section of a protocol): a connection to the proxy becomes one to the
// target. The proxy's address is the operator's; that the target is permitted has been judged before.
//
// It works over any Connection with one stream - TCP, or TLS for an https:// proxy - and gives a Connection that
// anything can run over, TLS included. One loop's thread; held by shared_ptr.
#include <memory>

#include "daemon/net/net.h"
#include "policy/proxy.h"

namespace wasi_netd::net {

// Asks the proxy at the other end of `to_proxy`, whose stream was not taken yet, for a connection to `target`: an
// IpEndpoint, or a NameEndpoint that the proxy resolves. The protocol is settings.kind (socks5.h, http_connect.h: what
// is sent, and what each answer means).
//
// Completes when the tunnel stands, when it was refused, when settings.timeout has passed since the call, or after
// to_proxy->abort(). But for the first, to_proxy was aborted then.
//
// The tunnel's peer_endpoint() is the target: the name where the proxy resolved it, because which address it chose is
// known to nobody here (SOCKS5 and HTTP tell at most where the proxy's own socket is). local_endpoint() and the options
// are those of the connection to the proxy, info() is empty: it negotiated nothing with the target. Its stream is the
// one to the proxy itself, unless bytes of the target came together with the proxy's answer: those are read first.
//
// Every error's detail begins with "proxy <address>: ". What the proxy tells of the destination goes on with "cannot
// reach the destination"; all else is between us and the proxy. No detail holds a user or password.
//   timedout     no tunnel within settings.timeout
//   canceled     to_proxy->abort()
//   connaborted  the proxy closed the connection before the tunnel stood
//   connreset    it reset it; another failure of the connection is told as it is
//   proto        what the proxy says is not the protocol
//   msgsize      the head of its HTTP answer is too long
//   inval        the target is nothing to ask a proxy for (target.h)
//   io           user or password cannot be used (secret.h: the password file; socks5.h, http_connect.h)
//   and those of the proxy's answers
Task<Result<std::shared_ptr<Connection>>> open_tunnel(policy::Proxy settings, std::shared_ptr<Connection> to_proxy,
                                                      Endpoint target);

}  // namespace wasi_netd::net
