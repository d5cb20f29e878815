#pragma once
// How an import is written: a body over a Call, made an entry of the table by `entry<body>`.
//
// A body runs on the guest's thread. It checks every guest pointer first, so that a call that answers `fault` has done
// nothing, and only then calls the shim (client.h). It may throw std::bad_alloc: the guest reads `nomem`.
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string_view>

#include "guest_abi/instance.h"
#include "guest_abi/memory.h"

namespace wasi_netd::guest_abi {

struct Call {
  wasi_netd_instance& instance;
  Memory memory;
  const uint64_t* arguments;

  wasi_netd_guest* guest() const { return instance.guest; }
  uint32_t u32(size_t index) const { return static_cast<uint32_t>(arguments[index]); }
  uint64_t u64(size_t index) const { return arguments[index]; }
  // fds are unsigned in preview1 and signed in the shim: one above 2^31 becomes negative, which no fd is.
  int32_t fd(size_t index) const { return static_cast<int32_t>(u32(index)); }
  // The value that argument `index` points at.
  template <class T>
  Out<T> out(size_t index) const {
    return memory.out<T>(u32(index));
  }
  // The string in arguments `index` (pointer) and `index + 1` (length).
  wasi_netd_errno text(size_t index, std::string_view* out) const {
    return memory.text(u32(index), u32(index + 1), out);
  }
};

using Body = wasi_netd_errno (*)(Call&);

template <Body body>
uint32_t entry(wasi_netd_instance* instance, wasi_netd_memory memory, const uint64_t* arguments) noexcept {
  if (instance->ended()) return errc::intr;
  wasi_netd_errno error = errc::nomem;
  try {
    Call call{*instance, Memory(memory), arguments};
    error = body(call);
  } catch (const std::bad_alloc&) {
  }
  instance->ended();  // an exit requested while the body waited takes effect before the guest runs on
  return error;
}

// `success` when fd is a network fd of this kind (WASI_NETD_KIND_*), else what every call answers to a wrong one.
inline wasi_netd_errno require_kind(const Call& call, int32_t fd, uint8_t kind, wasi_netd_fdstat* stat) {
  const auto error = wasi_netd_fdstat_get(call.guest(), fd, stat);
  if (error != errc::success) return error;
  if (stat->kind == WASI_NETD_KIND_STDIO) return errc::notsock;
  return stat->kind == kind ? errc::success : errc::inval;
}

// What an argument's form answers, unless the fd that the call is about is wrong already: that comes first. `fault`
// comes before both.
inline wasi_netd_errno after_fd(const Call& call, int32_t fd, wasi_netd_errno error) {
  if (error == errc::success || error == errc::fault) return error;
  wasi_netd_fdstat stat;
  const auto of_fd = wasi_netd_fdstat_get(call.guest(), fd, &stat);
  return of_fd == errc::success ? error : of_fd;
}

// The parts of the table, one per file.
std::span<const wasi_netd_import> networking_imports();
std::span<const wasi_netd_import> networking_ext_imports();
std::span<const wasi_netd_import> preview1_fd_imports();
std::span<const wasi_netd_import> preview1_poll_imports();
std::span<const wasi_netd_import> preview1_system_imports();
std::span<const wasi_netd_import> preview1_files_imports();

}  // namespace wasi_netd::guest_abi
