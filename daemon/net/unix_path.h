#pragma once
// Unix sockets at a path, reached so that the path that was judged is the path that is used.
//
// The kernel would follow a symlink anywhere in a path, and whoever can write to a directory on the way could put one
// there between the judgement and the use. So the path is opened with openat2 RESOLVE_NO_SYMLINKS, which refuses every
// link (`loop`), and the socket call then names the open descriptor through /proc/self/fd. One loop's thread.
#include <string>

#include <sys/stat.h>

#include "daemon/base/error.h"
#include "daemon/net/socket_address.h"
#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {

// The file of a bound socket. It is removed when this ends, if the name still means the same file: what somebody else
// put in its place is theirs. That has to be before the socket is closed: until then the kernel keeps the file's inode
// number from being used again. Default-made: holds nothing.
class BoundPath {
 public:
  // Gives the socket `fd` the name `path`. `addrinuse`: something has that name already, a stale socket file included,
  // as POSIX has it; removing it is the operator's decision. `nametoolong`: the last component, which shares sun_path
  // with the descriptor's own path, has more than about 85 bytes.
  static Result<BoundPath> bind(int fd, const std::string& path);
  // The same for a socket whose peers answer to its name. The kernel tells them the name that bind(2) was given, and
  // one through a descriptor of ours is of no use to them. So it is given the path itself where that is the same: where
  // nobody but root and this user can change what a directory on the way is.
  static Result<BoundPath> bind_to_answer(int fd, const std::string& path);

  BoundPath() = default;
  BoundPath(BoundPath&&) noexcept = default;
  BoundPath& operator=(BoundPath&& other) noexcept {
    remove();
    directory_ = std::move(other.directory_);
    name_ = std::move(other.name_);
    device_ = other.device_;
    inode_ = other.inode_;
    return *this;
  }
  ~BoundPath() { remove(); }

  void remove();

 private:
  static Result<BoundPath> bind_at(int fd, const std::string& path, bool by_path);
  UniqueFd directory_;
  std::string name_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// A socket file that was opened, for a call that takes an address.
struct ReachedPath {
  UniqueFd place;
  SocketAddress address;  // good while `place` is open
};
// `error`: the system's errno, 0 for success.
ReachedPath reach_path(const std::string& path, int& error);

// connect(2) of the socket `fd` to the socket file at `path`. Returns the system's errno, 0 for success. Unix sockets
// connect at once or not at all. What is no socket answers ECONNREFUSED, as the kernel does.
int connect_path(int fd, const std::string& path);

}  // namespace wasi_netd::net
