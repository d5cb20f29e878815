#include "daemon/net/tls/files.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {
namespace {

constexpr off_t kLargest = 16 << 20;
// File times advance with the kernel's clock tick, 10 ms at most.
constexpr std::chrono::milliseconds kSettled{100};

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

// A time far in the future is as good: the clock was set back, and the next write will not have the same.
bool is_settled(const timespec& time) {
  const auto written = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  return std::chrono::abs(std::chrono::system_clock::now().time_since_epoch() - written) > kSettled;
}

}  // namespace

bool WatchedFiles::Stamp::operator==(const Stamp& other) const {
  return error == other.error && device == other.device && inode == other.inode && size == other.size &&
         same(modified, other.modified) && same(status_changed, other.status_changed);
}

WatchedFiles::Stamp WatchedFiles::stamp_of(const struct stat& status) {
  return {0, status.st_dev, status.st_ino, status.st_size, status.st_mtim, status.st_ctim};
}

WatchedFiles::Stamp WatchedFiles::stamp_at(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? stamp_of(status) : Stamp{errno, 0, 0, 0, {}, {}};
}

void WatchedFiles::watch(const std::string& path, const Stamp& stamp) {
  const bool settled = stamp.error != 0 || is_settled(stamp.status_changed);
  files_.push_back({path, stamp, settled});
}

Result<WatchedFiles::Content> WatchedFiles::read(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hold up the loop.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    const int error = errno;
    watch(path, stamp_at(path));
    return system_error(error, path);
  }
  watch(path, stamp_of(status));
  if (!S_ISREG(status.st_mode)) return Error{Errno::inval, path + ": not a regular file"};
  if (status.st_size > kLargest) return Error{Errno::fbig, path + ": larger than 16 MiB"};
  Content content{Secret(static_cast<size_t>(status.st_size)), status.st_mode};
  for (;;) {
    const ssize_t n = content.bytes.read_from(file.get());
    if (n < 0) return system_error(errno, path);
    if (n == 0) return content;
  }
}

bool WatchedFiles::changed() const {
  return std::any_of(files_.begin(), files_.end(),
                     [](const Watched& file) { return !file.settled || !(stamp_at(file.path) == file.stamp); });
}

}  // namespace wasi_netd::net
