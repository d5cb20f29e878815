#pragma once
// What a proxy may be asked for. Pure, any thread.
#include "daemon/base/error.h"
#include "policy/address.h"

namespace wasi_netd::net {

// Success: the endpoint can be written into a request of either protocol as it is. A name has passed parse_name, so it
// holds letters, digits, hyphens and dots only and ends nobody's header line.
// `inval`: a Unix endpoint, port 0 (RFC 9110 section 9.3.6), an IPv6 zone (it means something on this machine only), a
// name that parse_name would not have written so.
Status check_target(const policy::Endpoint&);

}  // namespace wasi_netd::net
