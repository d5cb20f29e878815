#pragma once
// Gives a new socket an address of its own, of any family. One loop's thread.
#include <string>

#include "daemon/base/error.h"
#include "daemon/net/unix_path.h"
#include "policy/address.h"

namespace wasi_netd::net {

// What the kernel made of the address that was asked for: with the port that it chose, and the socket's file if it has
// one.
struct OwnAddress {
  policy::Endpoint endpoint;
  BoundPath path;
};

// `bind_path`: BoundPath::bind or BoundPath::bind_to_answer, for a Unix socket at a path. The unnamed Unix endpoint
// binds nothing.
Result<OwnAddress> bind_address(int fd, const policy::Endpoint&,
                                Result<BoundPath> (*bind_path)(int fd, const std::string& path));

}  // namespace wasi_netd::net
