#pragma once
// The `proxy:` section of a protocol, as the loader accepted it (docs/policy.md). Pure values, any thread.
#include <chrono>
#include <cstdint>
#include <string>

#include "policy/address.h"

namespace wasi_netd::policy {

struct Proxy {
  enum class Kind : uint8_t { kSocks5, kHttp };  // RFC 1928; RFC 9110 CONNECT
  enum class Resolve : uint8_t { kHere, kProxy };

  Kind kind = Kind::kSocks5;
  bool tls = false;           // https://: TLS to the proxy itself
  Endpoint address;           // IpEndpoint or NameEndpoint; the operator's choice, not judged by address class
  std::string user;           // empty: no authentication is offered
  std::string password_file;  // its first line is the password; read for each connection, so it may change
  std::string ca;             // https only: PEM; empty: the system's store
  Resolve resolve = Resolve::kHere;
  std::chrono::milliseconds timeout{10'000};  // for TLS with the proxy, and for the tunnel after it
};

}  // namespace wasi_netd::policy
