#pragma once
// Addresses as the tests write them, for native sockets: "127.0.0.1:80", "[::1]:80", "/path"; "" is unnamed.
#include <string>

#include "tests/support/native.h"

namespace wasi_netd::test {

inline NativeAddress native_address(const std::string& text) {
  if (text.starts_with('/')) return native_unix(text);
  size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return native_ip(host, static_cast<uint16_t>(std::stoi(text.substr(colon + 1))));
}

inline std::string text_of(const NativeAddress& address) {
  char host[INET6_ADDRSTRLEN];
  switch (address.storage.ss_family) {
    case AF_INET: {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
      ::inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
      return std::string(host) + ":" + std::to_string(ntohs(v4->sin_port));
    }
    case AF_INET6: {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
      ::inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
      return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6->sin6_port));
    }
    default: {
      const auto* local = reinterpret_cast<const sockaddr_un*>(&address.storage);
      return address.size <= offsetof(sockaddr_un, sun_path) ? "" : local->sun_path;
    }
  }
}

}  // namespace wasi_netd::test
