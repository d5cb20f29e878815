#pragma once
// The shim's words for failure and permission: WASI errnos and rights as constants, and the translations into them.
// Pure values, any thread. Sources: wasi_netd/errno.def, wasi_netd/rights.def.
#include <cstdint>
#include <string_view>

#include "wasi_netd/client.h"

namespace wasi_netd::shim {

using Errno = wasi_netd_errno;

namespace err {
#define WASI_NETD_ERRNO(name, number) inline constexpr Errno name = number;
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
}  // namespace err

namespace right {
#define WASI_NETD_RIGHT(name, bit, word) inline constexpr uint64_t name = uint64_t{1} << (bit);
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
}  // namespace right

struct Rights {
  uint64_t base = 0;
  uint64_t inheriting = 0;

  bool within(const Rights& other) const { return (base & ~other.base) == 0 && (inheriting & ~other.inheriting) == 0; }
  bool operator==(const Rights&) const = default;
};

// What the host's kernel said, in the guest's numbers; `io` for what has no counterpart.
Errno errno_from_host(int host_errno);

// `ilseq` unless `text` is UTF-8 without NUL, `nametoolong` over 4096 bytes. protobuf would complain on stderr about
// anything else, and the daemon would refuse the message.
Errno check_text(std::string_view text);

}  // namespace wasi_netd::shim
