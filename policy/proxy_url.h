#pragma once
// The URL of a proxy (RFC 3986): SCHEME://[USER@]HOST[:PORT][/], SCHEME one of socks5, http, https. Internal. Pure, any
// thread.
#include <string>
#include <string_view>

#include "policy/proxy.h"

namespace wasi_netd::policy {

// Sets kind, tls, address and user. False: `error` says what is wrong, in words that hold nothing of the URL, which may
// have a password in it by mistake.
bool parse_proxy_url(std::string_view text, Proxy&, std::string& error);

}  // namespace wasi_netd::policy
