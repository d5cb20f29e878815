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

// What the kernel said. An IPv4-mapped address is IPv4. The kernel keeps a Unix path as it was bound, which says where
// that socket is only if it is normal and outside /proc: a relative path depends on another process's directory, one
// through a descriptor on that process, and "/app/../evil" is not in /app. Every other becomes the unnamed endpoint.
policy::Endpoint endpoint_of(const SocketAddress&);

Result<SocketAddress> local_address(int fd);
Result<SocketAddress> peer_address(int fd);

// The same address and port: what a TCP socket that reached itself has at both ends.
bool same_ip_and_port(const SocketAddress&, const SocketAddress&);

}  // namespace wasi_netd::net
