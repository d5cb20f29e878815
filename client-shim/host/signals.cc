#include "host/signals.h"

#include <poll.h>
#include <pthread.h>
#include <system_error>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/signalfd.h>

namespace wasi_netd::host {

StopSignals::StopSignals(std::function<void(int)> on_stop) : on_stop_(std::move(on_stop)) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, &before_);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  done_fd_ = eventfd(0, EFD_CLOEXEC);
  if (signal_fd_ < 0 || done_fd_ < 0) throw std::system_error(errno, std::system_category(), "signalfd");
  thread_ = std::thread([this] { wait(); });
}

StopSignals::~StopSignals() {
  const uint64_t one = 1;
  while (write(done_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  thread_.join();
  close(signal_fd_);
  close(done_fd_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);  // what still pends takes effect now
}

void StopSignals::wait() {
  int exit_code = 0;  // of the first signal
  for (;;) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {done_fd_, POLLIN, 0}};
    const int timeout = exit_code == 0 ? -1 : static_cast<int>(std::chrono::milliseconds(kGrace).count());
    const int ready = poll(fds, 2, timeout);
    if (ready < 0) continue;
    if (fds[1].revents != 0) return;
    if (exit_code != 0) _exit(exit_code);  // the second signal, or the grace is over
    signalfd_siginfo signal{};
    if (read(signal_fd_, &signal, sizeof signal) != sizeof signal) continue;
    exit_code = 128 + static_cast<int>(signal.ssi_signo);
    on_stop_(exit_code);
  }
}

}  // namespace wasi_netd::host
