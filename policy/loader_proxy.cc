// The `proxy:` section of a protocol.
#include "policy/loader.h"
#include "policy/proxy_url.h"

namespace wasi_netd::policy {

void Loader::read_proxy(const Node& node, ProtocolState& state) {
  const Node* section = node.find("proxy");
  if (section == nullptr) return;
  check_proxied(node, state);
  Proxy proxy;
  std::string error;
  const Node* url = section->find("url");
  const bool good = url != nullptr && parse_proxy_url(url->text, proxy, error);
  if (url != nullptr && !good) problems_.error(*url, error);
  proxy.password_file = read_file(*section, "password_file", true);
  proxy.ca = read_file(*section, "ca", false);
  read_timeout(*section, "timeout", proxy.timeout);
  const Node* resolve = section->find("resolve");
  if (resolve != nullptr && resolve->text == "proxy") {
    proxy.resolve = Proxy::Resolve::kProxy;
    if (!state.protocol.resolver.hosts.empty())
      problems_.error(*resolve, "with `resolve: proxy` the `hosts` of the resolver are never used");
    problems_.warning(*resolve, "names are judged, and not what the proxy resolves them to, which may be any address");
  }
  if (!good) return;
  const Node* password = section->find_key("password_file");
  if (!proxy.user.empty() && password == nullptr)
    problems_.error(*url, "the URL names a user, whose password is missing; expected `password_file`");
  if (proxy.user.empty() && password != nullptr)
    problems_.error(*password, "`password_file` is never used: the URL names no user, as in socks5://USER@HOST");
  const Node* ca = section->find_key("ca");
  if (ca != nullptr && !proxy.tls)
    problems_.error(*ca, "`ca` is never used: only a proxy at https:// has a certificate");
  state.protocol.proxy = std::move(proxy);
}

// Whether what the protocol does can go through a proxy at all.
void Loader::check_proxied(const Node& protocol, const ProtocolState& state) {
  const Node& key = *protocol.find_key("proxy");
  if (state.protocol.transport == Transport::kUdp)
    problems_.error(key, "`proxy` has no meaning for transport udp: it carries streams");
  if (state.protocol.transport == Transport::kUnix)
    problems_.error(key, "`proxy` has no meaning for transport unix: its sockets are this machine's");
  if (protocol.find_key("connect") == nullptr && !state_->audit)
    problems_.error(key, "`proxy` is never used: the protocol has no `connect`");
  for (const std::string_view each : {"open", "accept"}) {
    if (const Node* section = protocol.find_key(each))
      problems_.error(*section, "nothing is bound and nobody comes in through a proxy; `" + std::string(each) +
                                    "` needs a protocol of its own, without `proxy`");
  }
}

}  // namespace wasi_netd::policy
