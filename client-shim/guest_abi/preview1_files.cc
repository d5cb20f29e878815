// wasi_snapshot_preview1: the file system's calls. A guest has no files, so each answers `fault` for a bad pointer,
// `badf` for an unknown fd and otherwise that the fd does not carry the right (`notcapable`), or for a position in a
// stream, that there is none (`spipe`).
#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

// A range that the call would touch, at the place that argument `pointer` holds: `size` bytes, or where that is 0 as
// many as the argument after it says.
struct Touches {
  size_t pointer = 0;
  uint32_t size = 0;
};
constexpr Touches text(size_t pointer) { return {pointer, 0}; }
constexpr Touches value(size_t pointer, uint32_t size) { return {pointer, size}; }

wasi_netd_errno known_fd(const Call& call, size_t index) {
  wasi_netd_fdstat stat;
  return wasi_netd_fdstat_get(call.guest(), call.fd(index), &stat);
}

template <size_t fd, Touches... touched>
wasi_netd_errno refuse(Call& call) {
  for (const Touches& range : std::initializer_list<Touches>{touched...}) {
    const uint32_t size = range.size != 0 ? range.size : call.u32(range.pointer + 1);
    if (call.memory.range(call.u32(range.pointer), size) == nullptr) return errc::fault;
  }
  const auto error = known_fd(call, fd);
  return error == errc::success ? errc::notcapable : error;
}

// The calls that name two directories look at both fds.
template <size_t fd, size_t second_fd, Touches... touched>
wasi_netd_errno refuse_pair(Call& call) {
  const auto error = refuse<fd, touched...>(call);
  return error == errc::notcapable ? refuse<second_fd>(call) : error;
}

wasi_netd_errno no_position(const Call& call) {
  const auto error = known_fd(call, 0);
  return error == errc::success ? errc::spipe : error;
}

// (fd, offset, whence, out_offset*)
wasi_netd_errno fd_seek(Call& call) {
  if (!call.out<uint64_t>(3)) return errc::fault;
  return call.u32(2) > 2 ? after_fd(call, call.fd(0), errc::inval) : no_position(call);
}

// (fd, out_offset*)
wasi_netd_errno fd_tell(Call& call) { return call.out<uint64_t>(1) ? no_position(call) : errc::fault; }

// fd_pread and fd_pwrite: (fd, iovs*, iovs_len, offset, out_count*)
template <class Iovec, std::vector<Iovec> wasi_netd_instance::*iovecs>
wasi_netd_errno positioned(Call& call) {
  if (!call.out<uint32_t>(4)) return errc::fault;
  const auto error = after_fd(call, call.fd(0), call.memory.iovecs(call.u32(1), call.u32(2), &(call.instance.*iovecs)));
  return error == errc::success ? no_position(call) : error;
}

constexpr const char* kModule = "wasi_snapshot_preview1";
constexpr wasi_netd_import kImports[] = {
    {kModule, "fd_advise", "iIIi:i", entry<refuse<0>>},
    {kModule, "fd_allocate", "iII:i", entry<refuse<0>>},
    {kModule, "fd_datasync", "i:i", entry<refuse<0>>},
    {kModule, "fd_sync", "i:i", entry<refuse<0>>},
    {kModule, "fd_filestat_set_size", "iI:i", entry<refuse<0>>},
    {kModule, "fd_filestat_set_times", "iIIi:i", entry<refuse<0>>},
    {kModule, "fd_pread", "iiiIi:i", entry<positioned<wasi_netd_iovec, &wasi_netd_instance::iovecs>>},
    {kModule, "fd_pwrite", "iiiIi:i", entry<positioned<wasi_netd_ciovec, &wasi_netd_instance::ciovecs>>},
    {kModule, "fd_readdir", "iiiIi:i", entry<refuse<0, text(1), value(4, 4)>>},
    {kModule, "fd_seek", "iIii:i", entry<fd_seek>},
    {kModule, "fd_tell", "ii:i", entry<fd_tell>},
    {kModule, "path_create_directory", "iii:i", entry<refuse<0, text(1)>>},
    {kModule, "path_filestat_get", "iiiii:i", entry<refuse<0, text(2), value(4, 64)>>},
    {kModule, "path_filestat_set_times", "iiiiIIi:i", entry<refuse<0, text(2)>>},
    {kModule, "path_link", "iiiiiii:i", entry<refuse_pair<0, 4, text(2), text(5)>>},
    {kModule, "path_open", "iiiiiIIii:i", entry<refuse<0, text(2), value(8, 4)>>},
    {kModule, "path_readlink", "iiiiii:i", entry<refuse<0, text(1), text(3), value(5, 4)>>},
    {kModule, "path_remove_directory", "iii:i", entry<refuse<0, text(1)>>},
    {kModule, "path_rename", "iiiiii:i", entry<refuse_pair<0, 3, text(1), text(4)>>},
    {kModule, "path_symlink", "iiiii:i", entry<refuse<2, text(0), text(3)>>},
    {kModule, "path_unlink_file", "iii:i", entry<refuse<0, text(1)>>},
};

}  // namespace

std::span<const wasi_netd_import> preview1_files_imports() { return kImports; }

}  // namespace wasi_netd::guest_abi
