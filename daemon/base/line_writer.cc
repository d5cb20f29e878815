#include "daemon/base/line_writer.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <fcntl.h>
#include <limits.h>
#include <mutex>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace wasi_netd {
namespace {

using Clock = std::chrono::steady_clock;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

enum class Kind {
  kFile,         // writes complete; waiting makes no sense
  kSocket,       // each send asks not to wait
  kNonblocking,  // a description of our own with O_NONBLOCK
  kBlocking,     // somebody else's description: poll first, then no more than a ready pipe is sure to take
};

struct Sink {
  Fd fd;
  Kind kind;
};

Kind kind_of(mode_t mode) { return S_ISREG(mode) ? Kind::kFile : S_ISSOCK(mode) ? Kind::kSocket : Kind::kNonblocking; }

Result<Sink> open_path(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a reader; it means nothing for a regular file.
  Fd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640));
  if (fd.get() < 0) return system_error(errno, path);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return system_error(errno, path);
  return Sink{std::move(fd), kind_of(status.st_mode)};
}

Result<Sink> share_descriptor(int shared) {
  struct stat status {};
  if (fstat(shared, &status) != 0) return system_error(errno, "descriptor " + std::to_string(shared));
  Kind kind = kind_of(status.st_mode);
  if (kind == Kind::kNonblocking) {
    // O_NONBLOCK belongs to the open file description, which the shell or a service manager shares with us: take one of
    // our own by opening the same pipe or terminal again.
    std::string self = "/proc/self/fd/" + std::to_string(shared);
    Fd own(open(self.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (own.get() >= 0) return Sink{std::move(own), kind};
    kind = Kind::kBlocking;  // another user's pipe, or no /proc
  }
  Fd copy(fcntl(shared, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0) return system_error(errno, "descriptor " + std::to_string(shared));
  return Sink{std::move(copy), kind};
}

}  // namespace

struct LineWriter::State {
  State(Sink to, size_t limit, Hooks calls)
      : sink(std::move(to)),
        capacity(std::max<size_t>(limit, 1)),
        hooks(std::move(calls)),
        stop_event(eventfd(0, EFD_CLOEXEC)) {}

  const Sink sink;
  const size_t capacity;
  const Hooks hooks;
  const Fd stop_event;  // readable once stopping: wakes a wait for the sink

  std::mutex mutex;
  std::condition_variable work;      // queue or stopping changed
  std::condition_variable progress;  // a line is done
  std::deque<std::string> queue;
  uint64_t accepted = 0;              // lines ever put into the queue, which holds the last of them
  std::optional<uint64_t> in_flight;  // number of the line that the writer works on
  uint64_t lost = 0;
  bool stopping = false;
  Clock::time_point deadline;

  // The writer thread's own.
  uint64_t told = 0;  // losses that a gap line has told of
  bool torn = false;  // the sink failed in the middle of a line
  bool failing = false;
  std::thread thread;

  void run();
  bool put(std::string line);
  bool put_text(std::string_view text, size_t& done);
  bool wait_writable();
  ssize_t write_some(std::string_view text) const;
  uint64_t oldest_open() const { return in_flight ? *in_flight : accepted - queue.size(); }
};

void LineWriter::State::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    work.wait(lock, [this] { return stopping || !queue.empty(); });
    const uint64_t untold = lost - told;
    std::optional<std::string> line;
    if (!queue.empty()) {
      in_flight = oldest_open();
      line = std::move(queue.front());
      queue.pop_front();
    }
    lock.unlock();

    if (untold && hooks.gap && put(hooks.gap(untold))) told += untold;
    if (!line) return;
    const bool written = put(std::move(*line));

    lock.lock();
    in_flight.reset();
    if (!written) ++lost;
    progress.notify_all();
  }
}

// False: the sink refused it, or time is up.
bool LineWriter::State::put(std::string line) {
  line += '\n';
  // After a line that was cut short, this one starts afresh: a reader loses one line, not two.
  if (torn) line.insert(line.begin(), '\n');
  size_t done = 0;
  const bool written = put_text(line, done);
  if (done > 0) torn = !written;
  return written;
}

bool LineWriter::State::put_text(std::string_view text, size_t& done) {
  while (done < text.size()) {
    if (sink.kind == Kind::kBlocking && !wait_writable()) return false;
    const ssize_t n = write_some(text.substr(done));
    if (n >= 0) {
      done += static_cast<size_t>(n);
      failing = false;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_writable()) return false;
    } else if (errno != EINTR) {
      const int error = errno;
      if (!std::exchange(failing, true) && hooks.failed) hooks.failed(system_error(error, "write"));
      return false;
    }
  }
  return true;
}

ssize_t LineWriter::State::write_some(std::string_view text) const {
  if (sink.kind == Kind::kSocket) return send(sink.fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sink.kind == Kind::kBlocking) text = text.substr(0, PIPE_BUF);
  return ::write(sink.fd.get(), text.data(), text.size());
}

// False: time is up.
bool LineWriter::State::wait_writable() {
  for (;;) {
    bool ending;
    int timeout = -1;
    {
      std::lock_guard lock(mutex);
      ending = stopping;
      if (ending) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return false;
        timeout = static_cast<int>(left.count());
      }
    }
    pollfd fds[] = {{sink.fd.get(), POLLOUT, 0}, {stop_event.get(), POLLIN, 0}};
    // Once stopping, the event stays readable: only the sink and the time are of interest then.
    const int n = poll(fds, ending ? 1 : 2, timeout);
    if (n > 0 && fds[0].revents != 0) return true;  // an error too: the write reports it
  }
}

LineWriter::LineWriter(std::unique_ptr<State> state) : state_(std::move(state)) {
  WASI_NETD_CHECK(state_->stop_event.get() >= 0, "eventfd");
  // The thread takes no signal: they are the main thread's, and SIGPIPE is an error number here.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->thread = std::thread([state = state_.get()] { state->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Result<std::unique_ptr<LineWriter>> LineWriter::open(const std::string& path, size_t queue, Hooks hooks) {
  auto sink = open_path(path);
  if (!sink) return sink.error();
  return std::unique_ptr<LineWriter>(
      new LineWriter(std::make_unique<State>(std::move(*sink), queue, std::move(hooks))));
}

Result<std::unique_ptr<LineWriter>> LineWriter::share(int fd, size_t queue, Hooks hooks) {
  auto sink = share_descriptor(fd);
  if (!sink) return sink.error();
  return std::unique_ptr<LineWriter>(
      new LineWriter(std::make_unique<State>(std::move(*sink), queue, std::move(hooks))));
}

LineWriter::~LineWriter() { close(); }

uint64_t LineWriter::close() {
  if (!state_->thread.joinable()) return lost();
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->deadline = Clock::now() + kStopLimit;
  }
  state_->work.notify_one();
  eventfd_write(state_->stop_event.get(), 1);
  state_->thread.join();
  return lost();
}

void LineWriter::write(std::string line) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopping) {
      ++state_->lost;
      return;
    }
    if (state_->queue.size() == state_->capacity) {
      state_->queue.pop_front();
      ++state_->lost;
    }
    state_->queue.push_back(std::move(line));
    ++state_->accepted;
  }
  state_->work.notify_one();
}

bool LineWriter::flush(std::chrono::milliseconds limit) {
  std::unique_lock lock(state_->mutex);
  const uint64_t before = state_->accepted;
  return state_->progress.wait_for(lock, limit, [&] { return state_->oldest_open() >= before; });
}

uint64_t LineWriter::lost() const {
  std::lock_guard lock(state_->mutex);
  return state_->lost;
}

}  // namespace wasi_netd
