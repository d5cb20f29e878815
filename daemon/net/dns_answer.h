#pragma once
// What c-ares found, as the daemon's values. Pure; any thread.
#include <ares.h>
#include <string>
#include <vector>

#include "daemon/net/net.h"

namespace wasi_netd::net {

inline constexpr std::chrono::seconds kMaxTtl = std::chrono::hours(1);

// Adds what one query found: at most 64 addresses, each once, in the server's order. An IPv4-mapped address counts as
// IPv4. The answer is believed no longer than the shortest-lived record on the way to it, or an hour.
void add_to(Answer&, const ares_addrinfo&);

// At most 64 of them, of these families: the first family's first, within a family in the order they came. A family
// with many addresses leaves the other one room for 32.
Answer in_order(const Answer&, const std::vector<policy::Family>& families);

// `noent`, `timedout`, `canceled`, or `again` for every way in which the servers failed.
Error error_of(int status, const std::string& name);

}  // namespace wasi_netd::net
