#pragma once
// A host descriptor behind a guest's fd: standard input, output and error.
//
// Owns a duplicate. The open file description is shared with the host and whoever else has it, so its flags are left
// alone: a guest's `nonblock` is acted out with ppoll. Blocking waits end when the guest is interrupted. A broken pipe
// is an errno, never a SIGPIPE. Guest's thread, without the lock.
#include <memory>
#include <span>

#include "client-shim/src/waker.h"

namespace wasi_netd::shim {

class Stdio {
 public:
  // `badf` when `host_fd` is not open.
  static Errno open(int host_fd, std::unique_ptr<Stdio>& out);
  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;
  ~Stdio();

  Errno read(Waker& waker, std::span<const wasi_netd_iovec> buffers, bool nonblock, size_t& count);
  Errno write(Waker& waker, std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count);

  int host_fd() const { return fd_; }
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }
  uint8_t filetype() const { return filetype_; }
  uint16_t append_flag() const;
  // What a read would give at once.
  uint64_t available() const;

 private:
  explicit Stdio(int fd) : fd_(fd) {}
  Errno await(Waker& waker, short events, bool nonblock) const;

  const int fd_;
  bool readable_ = false;
  bool writable_ = false;
  bool always_ready_ = false;  // a regular file
  uint8_t filetype_ = 0;
};

}  // namespace wasi_netd::shim
