#pragma once
// The files of a context: their contents, and whether they have changed since. One loop's thread; reading blocks as
// files on disk do.
#include <chrono>
#include <ctime>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "daemon/base/error.h"
#include "daemon/net/secret.h"

namespace wasi_netd::net {

class WatchedFiles {
 public:
  struct Content {
    Secret bytes;
    mode_t mode;
  };
  // A regular file of at most 16 MiB. It is watched from here on, even if it could not be read.
  Result<Content> read(const std::string& path);
  // Whether a file is not what it was when it was read. A file that was written shortly before counts as changed: its
  // times are too coarse to show another write.
  bool changed() const;

 private:
  struct Stamp {
    int error = 0;  // of stat, then the rest is nothing
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{}, status_changed{};
    bool operator==(const Stamp& other) const;
  };
  struct Watched {
    std::string path;
    Stamp stamp;
    bool settled;
  };
  static Stamp stamp_of(const struct stat&);
  static Stamp stamp_at(const std::string& path);
  void watch(const std::string& path, const Stamp& stamp);

  std::vector<Watched> files_;
};

}  // namespace wasi_netd::net
