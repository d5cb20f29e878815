#include "client-shim/src/stdio.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

namespace wasi_netd::shim {
namespace {

// Blocks SIGPIPE in this thread, and takes back the one that a write inside raised.
class NoSigpipe {
 public:
  NoSigpipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const int saved = errno;
    const timespec at_once{};
    if (raised_ && !was_pending_) ::sigtimedwait(&pipe_, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }
  void raised() { raised_ = true; }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
  bool raised_ = false;
};

// preview1 `$filetype`.
uint8_t filetype_of(mode_t mode) {
  if (S_ISBLK(mode)) return 1;
  if (S_ISCHR(mode)) return 2;
  if (S_ISDIR(mode)) return 3;
  if (S_ISREG(mode)) return 4;
  if (S_ISSOCK(mode)) return 6;
  return 0;
}

constexpr size_t kBuffersAtOnce = 64;

// The next pieces of `buffers`, from `offset` in the first on, `most` bytes of them at most. Returns how many there
// are; none: the end.
size_t next_pieces(std::span<const wasi_netd_ciovec> buffers, size_t offset, size_t most,
                   std::array<iovec, kBuffersAtOnce>& pieces) {
  size_t used = 0;
  for (const wasi_netd_ciovec& buffer : buffers) {
    if (used == pieces.size() || most == 0) break;
    const size_t size = std::min(buffer.size - offset, most);
    // writev(2) writes from it only.
    char* const data = const_cast<char*>(static_cast<const char*>(buffer.data)) + offset;
    if (size > 0) pieces[used++] = {data, size};
    most -= size;
    offset = 0;
  }
  return used;
}

}  // namespace

Errno Stdio::open(int host_fd, std::unique_ptr<Stdio>& out) {
  const int fd = ::fcntl(host_fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return errno_from_host(errno);
  std::unique_ptr<Stdio> stdio(new Stdio(fd));
  struct stat status {};
  const int flags = ::fcntl(fd, F_GETFL);
  if (::fstat(fd, &status) != 0 || flags < 0) return errno_from_host(errno);
  stdio->readable_ = (flags & O_ACCMODE) != O_WRONLY;
  stdio->writable_ = (flags & O_ACCMODE) != O_RDONLY;
  stdio->always_ready_ = S_ISREG(status.st_mode);
  stdio->filetype_ = filetype_of(status.st_mode);
  out = std::move(stdio);
  return err::success;
}

Stdio::~Stdio() { ::close(fd_); }

uint16_t Stdio::append_flag() const {
  const int flags = ::fcntl(fd_, F_GETFL);
  return flags >= 0 && (flags & O_APPEND) != 0 ? 1 : 0;
}

uint64_t Stdio::available() const {
  int bytes = 0;
  return ::ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

Errno Stdio::await(Waker& waker, short events, bool nonblock) const {
  Waker::Lock lock = waker.lock();
  while (true) {
    if (waker.interrupted()) return err::intr;
    if (always_ready_) return err::success;
    std::array<pollfd, 2> descriptors{{{-1, 0, 0}, {fd_, events, 0}}};
    const Deadline deadline = nonblock ? kAtOnce : kNever;
    const Errno error = waker.wait_descriptors(lock, descriptors, deadline);
    if (error != err::success) return error;
    if (descriptors[1].revents != 0) return err::success;
    if (nonblock) return err::again;
  }
}

Errno Stdio::read(Waker& waker, std::span<const wasi_netd_iovec> buffers, bool nonblock, size_t& count) {
  count = 0;
  const auto first = std::ranges::find_if(buffers, [](const auto& buffer) { return buffer.size > 0; });
  if (first == buffers.end()) return err::success;
  while (true) {
    const Errno error = await(waker, POLLIN, nonblock);
    if (error != err::success) return error;
    const ssize_t result = ::read(fd_, first->data, std::min<size_t>(first->size, SSIZE_MAX));
    if (result >= 0) {
      count = static_cast<size_t>(result);
      return err::success;
    }
    // Another holder of the same description may have taken the bytes, or made it non-blocking.
    if (errno != EINTR && (errno != EAGAIN || nonblock)) return errno_from_host(errno);
  }
}

Errno Stdio::write(Waker& waker, std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count) {
  count = 0;
  // poll promises room for this much in a pipe; a longer write could block where no interrupt reaches it.
  const size_t largest = always_ready_ ? SSIZE_MAX : PIPE_BUF;
  std::array<iovec, kBuffersAtOnce> pieces;
  size_t index = 0, offset = 0;  // where in `buffers` the next byte is
  for (;;) {
    const size_t used = next_pieces(buffers.subspan(index), offset, largest, pieces);
    if (used == 0) return err::success;
    const Errno error = await(waker, POLLOUT, nonblock);
    if (error != err::success) return count > 0 ? err::success : error;
    NoSigpipe guard;
    const ssize_t result = ::writev(fd_, pieces.data(), static_cast<int>(used));
    if (result < 0) {
      if (errno == EPIPE) guard.raised();
      if (errno == EINTR || (errno == EAGAIN && !nonblock)) continue;
      return count > 0 ? err::success : errno_from_host(errno);
    }
    count += static_cast<size_t>(result);
    offset += static_cast<size_t>(result);
    while (index < buffers.size() && offset >= buffers[index].size) offset -= buffers[index++].size;
  }
}

}  // namespace wasi_netd::shim
