#pragma once
// A bounded queue of lines and the one thread that writes them to a descriptor, so that a sink that blocks (a full
// pipe, a stopped terminal, journald) holds up nobody but that thread.
//
// write() may be called on any thread and never waits for the sink: a full queue loses its oldest line, which is
// counted. After a loss the writer asks hooks.gap for a line that says so and writes it where the lost lines would have
// stood. A sink that fails (disk full, reader gone) loses the lines it refused, counted the same way; each later line
// is tried again.
//
// Why not spdlog's async logger: its destructor queues a message that may have to wait for room, then joins a thread
// that may sit in write(2) for ever, and its flush() does not tell when it is done. Here the thread waits only in
// poll(2), on a descriptor whose writes do not block, next to an event that ends the wait.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/base/error.h"

namespace wasi_netd {

class LineWriter {
 public:
  struct Hooks {  // both run on the writer's thread; they may write() to this writer, but not flush() or destroy it
    std::function<std::string(uint64_t lost)> gap;  // the line that tells of `lost` lines; unset: no such line
    std::function<void(const Error&)> failed;       // the sink began to fail; once until it works again
  };
  // How long the destructor waits for a sink to take what is queued.
  static constexpr std::chrono::milliseconds kStopLimit{2000};

  // Appends to `path`, made with mode 0640 when it is not there; a symbolic link as its last part is refused, a FIFO
  // that nobody reads too.
  static Result<std::unique_ptr<LineWriter>> open(const std::string& path, size_t queue, Hooks hooks);
  // Writes to a descriptor that stays the caller's, such as stdout. Its flags are left alone: other processes share
  // them.
  static Result<std::unique_ptr<LineWriter>> share(int fd, size_t queue, Hooks hooks);

  ~LineWriter();  // close()

  // Writes what is queued, for at most kStopLimit; what the sink has not taken by then is lost. Returns how many lines
  // were lost in all; later lines are lost too. (A file system that hangs inside write(2) is beyond this bound: nothing
  // can end such a call.)
  uint64_t close();

  void write(std::string line);  // without newline
  // Returns when every line written before is the kernel's or lost; false: not within `limit`.
  bool flush(std::chrono::milliseconds limit);
  uint64_t lost() const;

 private:
  struct State;
  explicit LineWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace wasi_netd
