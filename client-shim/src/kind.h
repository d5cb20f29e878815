#pragma once
// What kinds of thing an fd stands for, and which rights mean something on each. Pure values, any thread.
#include "client-shim/src/errors.h"

namespace wasi_netd::shim {

enum class Kind : uint8_t {
  kStdio = WASI_NETD_KIND_STDIO,
  kProtocol = WASI_NETD_KIND_PROTOCOL,
  kControl = WASI_NETD_KIND_CONTROL,
  kConnection = WASI_NETD_KIND_CONNECTION,
  kStream = WASI_NETD_KIND_STREAM,
};

// The bits that mean something on an fd of this kind; the daemon's table for handles says the same.
constexpr uint64_t meaningful(Kind kind) {
  using namespace right;
  constexpr uint64_t kCommon = poll_fd_readwrite | fd_fdstat_set_flags | fd_filestat_get;
  switch (kind) {
    case Kind::kStdio:
      return kCommon | fd_read | fd_write;
    case Kind::kProtocol:
      return net_open | net_resolve | net_delegate;
    case Kind::kControl:
      return kCommon | net_listen | net_accept | net_connect | net_send_to | net_recv_from | sock_accept | net_delegate;
    case Kind::kConnection:
      return kCommon | net_stream_create | net_stream_accept | sock_shutdown | net_delegate;
    case Kind::kStream:
      return kCommon | fd_read | fd_write | sock_shutdown | net_delegate;
  }
  return 0;
}

// The bits that mean something on what can be made from it, in any number of steps.
constexpr uint64_t inheritable(Kind kind) {
  switch (kind) {
    case Kind::kProtocol:
      return meaningful(Kind::kControl) | inheritable(Kind::kControl);
    case Kind::kControl:
      return meaningful(Kind::kConnection) | inheritable(Kind::kConnection);
    case Kind::kConnection:
      return meaningful(Kind::kStream);
    default:
      return 0;
  }
}

constexpr Rights without_meaningless(Kind kind, const Rights& rights) {
  return {rights.base & meaningful(kind), rights.inheriting & inheritable(kind)};
}

}  // namespace wasi_netd::shim
