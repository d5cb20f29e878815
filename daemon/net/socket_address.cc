#include "daemon/net/socket_address.h"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "policy/printable.h"

namespace wasi_netd::net {
namespace {

constexpr socklen_t kPathOffset = offsetof(sockaddr_un, sun_path);

// A zone is an interface's name or, as RFC 4007 section 11.2 allows, its index.
Result<uint32_t> scope_of(const std::string& zone) {
  if (zone.empty()) return 0U;
  if (uint32_t index = ::if_nametoindex(zone.c_str()); index != 0) return index;
  uint32_t index = 0;
  auto [end, ec] = std::from_chars(zone.data(), zone.data() + zone.size(), index);
  if (ec == std::errc{} && end == zone.data() + zone.size() && index != 0) return index;
  return Error{Errno::nodev, "no interface " + zone};
}

std::string zone_of(uint32_t scope) {
  if (scope == 0) return {};
  char name[IF_NAMESIZE];
  if (::if_indextoname(scope, name)) return name;
  return std::to_string(scope);
}

// What a peer chose may be any bytes. A name that is no plain text is none: rules, records and messages are text.
policy::UnixEndpoint unix_endpoint(const sockaddr_un& address, socklen_t size) {
  if (size <= kPathOffset) return {};
  size_t length = size - kPathOffset;
  if (address.sun_path[0] == '\0') {
    std::string name(address.sun_path + 1, length - 1);
    if (!policy::is_printable(name)) return {};
    return {std::move(name), true};
  }
  std::string path(address.sun_path, strnlen(address.sun_path, length));
  if (!policy::is_normal_path(path) || path.starts_with("/proc/")) return {};
  return {path, false};
}

}  // namespace

Result<SocketAddress> ip_address(const policy::IpEndpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.family == policy::Family::kIpv4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.address.bytes.data(), sizeof address.sin_addr);
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = sizeof address;
    return out;
  }
  auto scope = scope_of(endpoint.address.zone);
  if (!scope) return scope.error();
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(endpoint.port);
  address.sin6_scope_id = *scope;
  std::memcpy(&address.sin6_addr, endpoint.address.bytes.data(), sizeof address.sin6_addr);
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = sizeof address;
  return out;
}

Result<SocketAddress> unix_address(std::string_view name, bool abstract) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) return Error{Errno::nametoolong, "unix name of more than 107 bytes"};
  // An abstract name begins with a zero byte and ends with the address; a path ends with a zero byte.
  size_t start = abstract ? 1 : 0;
  std::memcpy(address.sun_path + start, name.data(), name.size());
  SocketAddress out;
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = static_cast<socklen_t>(kPathOffset + name.size() + 1);
  return out;
}

policy::Endpoint endpoint_of(const SocketAddress& from) {
  switch (from.storage.ss_family) {
    case AF_INET: {
      sockaddr_in address;
      std::memcpy(&address, &from.storage, sizeof address);
      std::array<uint8_t, 4> octets;
      std::memcpy(octets.data(), &address.sin_addr, octets.size());
      return policy::IpEndpoint{policy::IpAddress::v4(octets), ntohs(address.sin_port)};
    }
    case AF_INET6: {
      sockaddr_in6 address;
      std::memcpy(&address, &from.storage, sizeof address);
      std::array<uint8_t, 16> octets;
      std::memcpy(octets.data(), &address.sin6_addr, octets.size());
      auto ip = policy::IpAddress::v6(octets, zone_of(address.sin6_scope_id));
      return policy::IpEndpoint{std::move(ip), ntohs(address.sin6_port)};
    }
    default: {
      sockaddr_un address;
      std::memcpy(&address, &from.storage, sizeof address);
      return unix_endpoint(address, from.size);
    }
  }
}

Result<SocketAddress> local_address(int fd) {
  SocketAddress out;
  if (::getsockname(fd, out.get(), &out.size) != 0) return system_error(errno, "getsockname");
  return out;
}

Result<SocketAddress> peer_address(int fd) {
  SocketAddress out;
  if (::getpeername(fd, out.get(), &out.size) != 0) return system_error(errno, "getpeername");
  return out;
}

bool same_ip_and_port(const SocketAddress& a, const SocketAddress& b) {
  if (a.storage.ss_family != b.storage.ss_family) return false;
  if (a.storage.ss_family == AF_INET) {
    sockaddr_in x, y;
    std::memcpy(&x, &a.storage, sizeof x);
    std::memcpy(&y, &b.storage, sizeof y);
    return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
  }
  if (a.storage.ss_family == AF_INET6) {
    sockaddr_in6 x, y;
    std::memcpy(&x, &a.storage, sizeof x);
    std::memcpy(&y, &b.storage, sizeof y);
    return x.sin6_port == y.sin6_port && x.sin6_scope_id == y.sin6_scope_id &&
           std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0;
  }
  return false;
}

}  // namespace wasi_netd::net
