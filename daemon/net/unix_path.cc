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

// Whether only root and this user can make the path of a directory mean another: by renaming one on the way, which
// needs write permission for the directory that holds it and, where that is sticky, to own it. The last directory
// itself may be anybody's. (An ACL that lets others write shows in the group's permissions.)
bool is_ours_to_change(const std::string& directory) {
  const auto is_ours = [](const struct stat& entry) { return entry.st_uid == 0 || entry.st_uid == ::geteuid(); };
  struct stat holder {};
  for (size_t end = 0; end != std::string::npos;) {
    end = directory.find('/', end + 1);
    const std::string path = directory.substr(0, end);
    struct stat entry {};
    if (::lstat(path.c_str(), &entry) != 0 || !S_ISDIR(entry.st_mode)) return false;
    if (holder.st_mode == 0 && (::stat("/", &holder) != 0)) return false;
    const bool others_write = (holder.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    const bool sticky = (holder.st_mode & S_ISVTX) != 0;
    if (!is_ours(holder) || (others_write && !(sticky && is_ours(entry)))) return false;
    holder = entry;
  }
  return true;
}

}  // namespace

Result<BoundPath> BoundPath::bind(int fd, const std::string& path) { return bind_at(fd, path, false); }

Result<BoundPath> BoundPath::bind_to_answer(int fd, const std::string& path) { return bind_at(fd, path, true); }

Result<BoundPath> BoundPath::bind_at(int fd, const std::string& path, bool by_path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return Error{Errno::inval, "not a file's path: " + path};
  const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
  by_path = by_path && (slash == 0 || is_ours_to_change(directory));
  BoundPath out;
  out.name_ = path.substr(slash + 1);
  out.directory_ = open_place(directory, O_DIRECTORY);
  if (!out.directory_.valid()) return system_error(errno, "directory of " + path);

  auto address = unix_address(by_path ? path : through(out.directory_) + "/" + out.name_, false);
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

ReachedPath reach_path(const std::string& path, int& error) {
  ReachedPath out{open_place(path, 0), {}};
  error = out.place.valid() ? 0 : errno;
  if (error != 0) return out;
  auto address = unix_address(through(out.place), false);
  if (address) {
    out.address = *address;
  } else {
    error = ENAMETOOLONG;
  }
  return out;
}

int connect_path(int fd, const std::string& path) {
  int error = 0;
  const ReachedPath reached = reach_path(path, error);
  if (error != 0) return error;
  return ::connect(fd, reached.address.get(), reached.address.size) == 0 ? 0 : errno;
}

}  // namespace wasi_netd::net
