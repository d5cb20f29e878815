#pragma once
// What c-ares found, as the daemon's values. Pure; any thread.
#include <ares.h>
#include <string>
#include <vector>

#include "daemon/net/net.h"

namespace wasi_netd::net {

// At most 64 addresses, each once, of these families: the first family's first, within a family in the server's order.
// An IPv4-mapped address counts as IPv4. Believed no longer than the shortest-lived record on the way to it, or an
// hour.
Answer answer_of(const ares_addrinfo&, const std::vector<policy::Family>& families);

// `noent`, `timedout`, `canceled`, or `again` for every way in which the servers failed.
Error error_of(int status, const std::string& name);

}  // namespace wasi_netd::net
