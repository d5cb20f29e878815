#include "daemon/net/bind_address.h"

#include <cerrno>
#include <utility>

#include "daemon/net/socket_address.h"

namespace wasi_netd::net {
namespace {

Status bind_to(int fd, const Result<SocketAddress>& address, const policy::Endpoint& endpoint) {
  if (!address) return address.error();
  if (::bind(fd, address->get(), address->size) != 0) return system_error(errno, "bind " + policy::to_string(endpoint));
  return Status();
}

}  // namespace

Result<OwnAddress> bind_address(int fd, const policy::Endpoint& endpoint,
                                Result<BoundPath> (*bind_path)(int fd, const std::string& path)) {
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&endpoint)) {
    if (auto bound = bind_to(fd, ip_address(*ip), endpoint); !bound) return bound.error();
    auto local = local_address(fd);
    if (!local) return local.error();
    return OwnAddress{endpoint_of(*local), BoundPath()};
  }
  const auto& name = std::get<policy::UnixEndpoint>(endpoint);
  OwnAddress own{endpoint, BoundPath()};
  if (name.abstract) {
    if (auto bound = bind_to(fd, unix_address(name.name, true), endpoint); !bound) return bound.error();
  } else if (!name.name.empty()) {
    auto path = bind_path(fd, name.name);
    if (!path) return path.error();
    own.path = std::move(*path);
  }
  return own;
}

}  // namespace wasi_netd::net
