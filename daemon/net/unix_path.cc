#include "daemon/net/unix_path.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <string_view>
#include <utility>

#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/net/socket_address.h"

namespace wasi_netd::net {
namespace {

// O_PATH: a handle on the place, no access to its content. glibc 2.36 has no wrapper for openat2.
UniqueFd open_place(const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
}

std::string through(const UniqueFd& place) { return "/proc/self/fd/" + std::to_string(place.get()); }

}  // namespace

Result<BoundPath> BoundPath::bind(int fd, const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return Error{Errno::inval, "not a file's path: " + path};
  BoundPath out;
  out.name_ = path.substr(slash + 1);
  out.directory_ = open_place(slash == 0 ? "/" : path.substr(0, slash), O_DIRECTORY);
  if (!out.directory_.valid()) return system_error(errno, "directory of " + path);

  auto address = unix_address(through(out.directory_) + "/" + out.name_, false);
  if (!address) return address.error();
  if (::bind(fd, address->get(), address->size) != 0) {
    return system_error(errno, "bind " + path);
  }
  struct stat made {};
  if (::fstatat(out.directory_.get(), out.name_.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error(errno, "socket file " + path);
  }
  out.device_ = made.st_dev;
  out.inode_ = made.st_ino;
  return out;
}

void BoundPath::remove() {
  if (!directory_.valid()) return;
  struct stat now {};
  bool ours = ::fstatat(directory_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(now.st_mode) &&
              now.st_dev == device_ && now.st_ino == inode_;
  if (ours) ::unlinkat(directory_.get(), name_.c_str(), 0);
  directory_.reset();
}

int connect_path(int fd, const std::string& path) {
  UniqueFd place = open_place(path, 0);
  if (!place.valid()) return errno;
  auto address = unix_address(through(place), false);
  if (!address) return ENAMETOOLONG;
  return ::connect(fd, address->get(), address->size) == 0 ? 0 : errno;
}

}  // namespace wasi_netd::net
