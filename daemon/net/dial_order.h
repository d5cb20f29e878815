#pragma once
// The order in which a race tries its addresses. Pure; any thread.
#include <vector>

#include "policy/address.h"

namespace wasi_netd::net {

// Families take turns, beginning with that of the first address; within a family the order stays (RFC 8305 section 4,
// with a First Address Family Count of 1), so that one dead family costs one attempt's delay, not its whole list.
std::vector<policy::Endpoint> interleave_families(std::vector<policy::Endpoint> targets);

}  // namespace wasi_netd::net
