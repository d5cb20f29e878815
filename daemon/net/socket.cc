#include "daemon/net/socket.h"

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace wasi_netd::net {
namespace {

Status switch_on(int fd, int level, int option, const char* what) {
  int on = 1;
  if (::setsockopt(fd, level, option, &on, sizeof on) != 0) return system_error(errno, what);
  return boost::system::in_place_value;
}

Result<UniqueFd> open_family(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return system_error(errno, "socket");
  return fd;
}

Result<UniqueFd> open_tcp(policy::Family family) {
  auto fd = open_family(family == policy::Family::kIpv4 ? AF_INET : AF_INET6);
  if (!fd) return fd;
  if (auto set = switch_on(fd->get(), IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"); !set) return set.error();
  linger reset = {1, 0};
  if (::setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
    return system_error(errno, "SO_LINGER");
  }
  if (family == policy::Family::kIpv6) {
    if (auto set = switch_on(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"); !set) return set.error();
  }
  return fd;
}

}  // namespace

Result<UniqueFd> open_socket(const Endpoint& what_for) {
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&what_for)) return open_tcp(ip->address.family);
  if (std::holds_alternative<policy::UnixEndpoint>(what_for)) return open_family(AF_UNIX);
  return Error{Errno::inval, "a name is no socket address"};
}

Result<Socket> attach(Loop loop, UniqueFd& fd) {
  Socket socket(loop);
  boost::system::error_code ec;
  // Asio keeps the family for sockets it opens itself, which it does not do here.
  socket.assign(asio::generic::stream_protocol(AF_UNSPEC, 0), fd.get(), ec);
  if (ec) return system_error(ec, "epoll");
  fd.release();
  return socket;
}

int errno_of(const boost::system::error_code& ec) { return ec == asio::error::eof ? 0 : ec.value(); }

}  // namespace wasi_netd::net
