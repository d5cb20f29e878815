#pragma once
// How rights pass from a handle to what is derived from it. Pure functions (docs/guest-api.md, rows RIGHTS-*).
//
// *Base* applies to the handle itself, *inheriting* bounds what is derived from it. Bits that mean nothing for an
// object of the kind are dropped before anything is compared, as the wasi-networking sketch allows; what remains must
// lie within the parent's inheriting set.
#include <cstdint>
#include <optional>

#include "policy/rights.h"

namespace wasi_netd::broker {

enum class Kind : uint8_t { kProtocol, kControl, kConnection, kStream };

struct Rights {
  RightSet base = 0;
  RightSet inheriting = 0;
  bool operator==(const Rights&) const = default;
  constexpr bool within(const Rights& other) const {
    return (base & ~other.base) == 0 && (inheriting & ~other.inheriting) == 0;
  }
};

// The bits that mean something on a handle of this kind.
constexpr RightSet meaningful(Kind kind) {
  using namespace right;
  constexpr RightSet kCommon = poll_fd_readwrite | fd_fdstat_set_flags | fd_filestat_get | net_delegate;
  switch (kind) {
    case Kind::kProtocol:
      return net_open | net_resolve | net_delegate;
    case Kind::kControl:
      return kCommon | net_listen | net_accept | net_connect | net_send_to | net_recv_from | sock_accept;
    case Kind::kConnection:
      return kCommon | net_stream_create | net_stream_accept | sock_shutdown;
    case Kind::kStream:
      return kCommon | fd_read | fd_write | sock_shutdown;
  }
  return 0;
}

// The bits that mean something on what can be derived, in any number of steps, from a handle of this kind.
constexpr RightSet inheritable(Kind kind) {
  switch (kind) {
    case Kind::kProtocol:
      return meaningful(Kind::kControl) | inheritable(Kind::kControl);
    case Kind::kControl:
      return meaningful(Kind::kConnection) | inheritable(Kind::kConnection);
    case Kind::kConnection:
      return meaningful(Kind::kStream);
    case Kind::kStream:
      return 0;
  }
  return 0;
}

constexpr Rights without_meaningless(Kind kind, const Rights& rights) {
  return {rights.base & meaningful(kind), rights.inheriting & inheritable(kind)};
}

// The rights of a new object of `kind` for which a guest asked `wanted`; nullopt: more than the parent hands on.
constexpr std::optional<Rights> derive(Kind kind, const Rights& parent, const Rights& wanted) {
  const Rights rights = without_meaningless(kind, wanted);
  if (((rights.base | rights.inheriting) & ~parent.inheriting) != 0) return std::nullopt;
  return rights;
}

// Where the call has no rights argument: all that the parent hands on.
constexpr Rights derive_all(Kind kind, const Rights& parent) {
  return without_meaningless(kind, {parent.inheriting, parent.inheriting});
}

// The handle of a protocol object whose policy grants `granted`, under the session's ceiling.
constexpr Rights protocol_rights(RightSet granted, RightSet ceiling) {
  return without_meaningless(Kind::kProtocol, {granted & ceiling, granted & ceiling});
}

// The rights a weaker handle, or this handle weakened, would have; nullopt: the handle lacks something asked for.
constexpr std::optional<Rights> weaken(Kind kind, const Rights& held, const Rights& wanted) {
  const Rights rights = without_meaningless(kind, wanted);
  if (!rights.within(held)) return std::nullopt;
  return rights;
}

}  // namespace wasi_netd::broker
