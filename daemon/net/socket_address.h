#pragma once
// Endpoints as the kernel wants them, and back. Pure but for zones: an interface's name and its index are looked up in
// the system (if_nametoindex). Any thread.
#include <string_view>

#include <sys/socket.h>

#include "daemon/base/error.h"
#include "policy/address.h"

namespace wasi_netd::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// `nodev`: the zone is neither an interface's name nor an index.
Result<SocketAddress> ip_address(const policy::IpEndpoint&);
// `name` as it goes into sun_path; an abstract name without its leading zero byte. `nametoolong`: it does not fit.
Result<SocketAddress> unix_address(std::string_view name, bool abstract);

// What the kernel said. An IPv4-mapped address is IPv4. A Unix name that is not an absolute path outside /proc says
// nothing about where that socket is (relative to another process's directory, or bound through a descriptor):
// it becomes the unnamed endpoint.
policy::Endpoint endpoint_of(const SocketAddress&);

Result<SocketAddress> local_address(int fd);
Result<SocketAddress> peer_address(int fd);

// The same address and port: what a TCP socket that reached itself has at both ends.
bool same_ip_and_port(const SocketAddress&, const SocketAddress&);

}  // namespace wasi_netd::net
