#pragma once
// SIGINT and SIGTERM as one call of a function.
//
// Construct before any other thread starts: the signals are blocked for all threads made after, and a thread of its own
// waits for them. The first signal calls `on_stop` there with 128 + its number; guests are then given kGrace to end
// before the process exits without them. A second signal exits at once. The destructor, on the same thread, ends the
// waiting and gives that thread its signals back.
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

namespace wasi_netd::host {

class StopSignals {
 public:
  static constexpr std::chrono::seconds kGrace{5};

  explicit StopSignals(std::function<void(int exit_code)> on_stop);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  void wait();

  std::function<void(int)> on_stop_;
  sigset_t before_{};  // what the constructor's thread blocked
  int signal_fd_ = -1;
  int done_fd_ = -1;
  std::thread thread_;
};

}  // namespace wasi_netd::host
