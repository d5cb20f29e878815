#pragma once
// A proxy's password, from its file.
#include <string>

#include "daemon/base/error.h"
#include "daemon/net/secret.h"

namespace wasi_netd::net {

// The first line of the file, without its LF or CR LF.
//
// Read whenever it is needed, so that it may change, and blocking, on the loop: one read of at most 4 KiB of a local
// file, which takes less than handing it to a thread would. A FIFO or a device, which could block for ever, is refused
// before a byte is read.
//
// `io`, with the path in the detail: it cannot be read, is no regular file, its first line is longer than 4 KiB, or has
// a control character (it is not the file that was meant; RFC 7617 section 2 forbids them too).
Result<Secret> read_password(const std::string& path);

}  // namespace wasi_netd::net
