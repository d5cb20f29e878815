#include "daemon/net/proxy/target.h"

namespace wasi_netd::net {
namespace {

Status check_port(uint16_t port) {
  if (port == 0) return Error{Errno::inval, "port 0 is nothing to ask for"};
  return Status();
}

}  // namespace

Status check_target(const policy::Endpoint& target) {
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&target)) {
    if (!ip->address.zone.empty()) return Error{Errno::inval, "an address with a zone means nothing to a proxy"};
    return check_port(ip->port);
  }
  if (const auto* name = std::get_if<policy::NameEndpoint>(&target)) {
    if (policy::parse_name(name->name) != name->name) return Error{Errno::inval, "not a host name"};
    return check_port(name->port);
  }
  return Error{Errno::inval, "a proxy reaches addresses and names only"};
}

}  // namespace wasi_netd::net
