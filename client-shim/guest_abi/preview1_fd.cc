// wasi_snapshot_preview1: the calls on one fd that a stream of bytes or a socket can answer. Layouts are the witx's.
#include <array>
#include <limits>

#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

constexpr uint64_t right(unsigned bit) { return uint64_t{1} << bit; }

// (fd, iovs*, iovs_len, out_read*)
wasi_netd_errno fd_read(Call& call) {
  const auto done = call.out<uint32_t>(3);
  if (!done) return errc::fault;
  auto& iovs = call.instance.iovecs;
  auto error = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &iovs));
  if (error != errc::success) return error;
  size_t count = 0;
  error = wasi_netd_read(call.guest(), call.fd(0), iovs.data(), iovs.size(), &count);
  if (error == errc::success) done.set(static_cast<uint32_t>(count));
  return error;
}

// (fd, iovs*, iovs_len, out_written*)
wasi_netd_errno fd_write(Call& call) {
  const auto done = call.out<uint32_t>(3);
  if (!done) return errc::fault;
  auto& iovs = call.instance.ciovecs;
  auto error = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &iovs));
  if (error != errc::success) return error;
  size_t count = 0;
  error = wasi_netd_write(call.guest(), call.fd(0), iovs.data(), iovs.size(), &count);
  if (error == errc::success) done.set(static_cast<uint32_t>(count));
  return error;
}

// (fd, iovs*, iovs_len, ri_flags, out_read*, out_flags*)
wasi_netd_errno sock_recv(Call& call) {
  const auto done = call.out<uint32_t>(4);
  const auto flags = call.out<uint16_t>(5);
  if (!done || !flags) return errc::fault;
  auto& iovs = call.instance.iovecs;
  auto error = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &iovs));
  if (error != errc::success) return error;
  size_t count = 0;
  uint32_t got_flags = 0;
  error = wasi_netd_recv(call.guest(), call.fd(0), iovs.data(), iovs.size(), call.u32(3), &count, &got_flags);
  if (error != errc::success) return error;
  done.set(static_cast<uint32_t>(count));
  flags.set(static_cast<uint16_t>(got_flags));
  return error;
}

// (fd, iovs*, iovs_len, si_flags, out_written*)
wasi_netd_errno sock_send(Call& call) {
  const auto done = call.out<uint32_t>(4);
  if (!done) return errc::fault;
  auto& iovs = call.instance.ciovecs;
  auto error = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &iovs));
  if (error != errc::success) return error;
  if (call.u32(3) != 0) return after_fd(call, call.fd(0), errc::inval);  // preview1 defines no flag
  size_t count = 0;
  error = wasi_netd_send(call.guest(), call.fd(0), iovs.data(), iovs.size(), &count);
  if (error == errc::success) done.set(static_cast<uint32_t>(count));
  return error;
}

// (fd, how)
wasi_netd_errno sock_shutdown(Call& call) { return wasi_netd_shutdown(call.guest(), call.fd(0), call.u32(1)); }

// (fd, fdflags, out_fd*)
wasi_netd_errno sock_accept(Call& call) {
  const auto socket_fd = call.out<int32_t>(2);
  if (!socket_fd) return errc::fault;
  int32_t made = -1;
  const auto error = wasi_netd_sock_accept(call.guest(), call.fd(0), call.u32(1), &made);
  if (error == errc::success) socket_fd.set(made);
  return error;
}

// (fd)
wasi_netd_errno fd_close(Call& call) { return wasi_netd_close(call.guest(), call.fd(0)); }

// (from, to)
wasi_netd_errno fd_renumber(Call& call) { return wasi_netd_renumber(call.guest(), call.fd(0), call.fd(1)); }

// (fd, fdstat*): filetype u8 at 0, flags u16 at 2, rights_base u64 at 8, rights_inheriting u64 at 16.
wasi_netd_errno fd_fdstat_get(Call& call) {
  const auto out = call.out<std::array<uint8_t, 24>>(1);
  if (!out) return errc::fault;
  wasi_netd_fdstat stat;
  const auto error = wasi_netd_fdstat_get(call.guest(), call.fd(0), &stat);
  if (error != errc::success) return error;
  std::array<uint8_t, 24> bytes{};
  bytes[0] = stat.filetype;
  std::memcpy(&bytes[2], &stat.flags, 2);
  std::memcpy(&bytes[8], &stat.rights_base, 8);
  std::memcpy(&bytes[16], &stat.rights_inheriting, 8);
  out.set(bytes);
  return error;
}

// (fd, fdflags)
wasi_netd_errno fd_fdstat_set_flags(Call& call) {
  if (call.u32(1) > std::numeric_limits<uint16_t>::max()) return after_fd(call, call.fd(0), errc::inval);
  return wasi_netd_fdstat_set_flags(call.guest(), call.fd(0), static_cast<uint16_t>(call.u32(1)));
}

// (fd, rights_base, rights_inheriting)
wasi_netd_errno fd_fdstat_set_rights(Call& call) {
  return wasi_netd_fdstat_set_rights(call.guest(), call.fd(0), call.u64(1), call.u64(2));
}

// (fd, filestat*): of the 64 bytes only the filetype, u8 at 16, means something for a stream; the rest is zero.
wasi_netd_errno fd_filestat_get(Call& call) {
  const auto out = call.out<std::array<uint8_t, 64>>(1);
  if (!out) return errc::fault;
  wasi_netd_fdstat stat;
  const auto error = wasi_netd_fdstat_get(call.guest(), call.fd(0), &stat);
  if (error != errc::success) return error;
  const bool may_stat = (stat.rights_base & right(WASI_NETD_RIGHT_BIT_fd_filestat_get)) != 0;
  if (stat.kind != WASI_NETD_KIND_STDIO && !may_stat) return errc::notcapable;
  std::array<uint8_t, 64> bytes{};
  bytes[16] = stat.filetype;
  out.set(bytes);
  return error;
}

// (fd, prestat*): u8 tag at 0. A protocol fd is a preopen that is not a directory: its tag is none that preview1
// defines, which wasi-libc and Go skip. Every other fd ends the scan that they make from 3 upward.
wasi_netd_errno fd_prestat_get(Call& call) {
  constexpr uint8_t kProtocolTag = 1;
  const auto out = call.out<std::array<uint8_t, 8>>(1);
  if (!out) return errc::fault;
  wasi_netd_fdstat stat;
  const auto error = wasi_netd_fdstat_get(call.guest(), call.fd(0), &stat);
  if (error != errc::success || stat.kind != WASI_NETD_KIND_PROTOCOL) return errc::badf;
  out.set({kProtocolTag});
  return errc::success;
}

// (fd, path*, path_len): no preopen is a directory.
wasi_netd_errno fd_prestat_dir_name(Call& call) {
  if (call.memory.range(call.u32(1), call.u32(2)) == nullptr) return errc::fault;
  wasi_netd_fdstat stat;
  const auto error = wasi_netd_fdstat_get(call.guest(), call.fd(0), &stat);
  if (error != errc::success || stat.kind != WASI_NETD_KIND_PROTOCOL) return errc::badf;
  return errc::notdir;
}

constexpr const char* kModule = "wasi_snapshot_preview1";
constexpr wasi_netd_import kImports[] = {
    {kModule, "fd_read", "iiii:i", entry<fd_read>},
    {kModule, "fd_write", "iiii:i", entry<fd_write>},
    {kModule, "fd_close", "i:i", entry<fd_close>},
    {kModule, "fd_renumber", "ii:i", entry<fd_renumber>},
    {kModule, "fd_fdstat_get", "ii:i", entry<fd_fdstat_get>},
    {kModule, "fd_fdstat_set_flags", "ii:i", entry<fd_fdstat_set_flags>},
    {kModule, "fd_fdstat_set_rights", "iII:i", entry<fd_fdstat_set_rights>},
    {kModule, "fd_filestat_get", "ii:i", entry<fd_filestat_get>},
    {kModule, "fd_prestat_get", "ii:i", entry<fd_prestat_get>},
    {kModule, "fd_prestat_dir_name", "iii:i", entry<fd_prestat_dir_name>},
    {kModule, "sock_accept", "iii:i", entry<sock_accept>},
    {kModule, "sock_recv", "iiiiii:i", entry<sock_recv>},
    {kModule, "sock_send", "iiiii:i", entry<sock_send>},
    {kModule, "sock_shutdown", "ii:i", entry<sock_shutdown>},
};

}  // namespace

std::span<const wasi_netd_import> preview1_fd_imports() { return kImports; }

}  // namespace wasi_netd::guest_abi
