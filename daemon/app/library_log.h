#pragma once
// What gRPC and protobuf have to say goes to our log. On their own they call fprintf(stderr), which waits for a reader
// and writes what a host sent as it is, so that a host could stop gRPC's threads and forge lines.
//
// Their messages are warnings, at most kLinesPerSecond of them; the next one that gets through says how many were left
// out. A failed assertion is `critical` and always written, because the process ends after it.
#include <chrono>
#include <cstdint>
#include <optional>

namespace wasi_netd {

// Which lines of a flood get through. The clock is the caller's; one thread at a time.
class LineBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr int kLinesPerSecond = 10;

  // How many were left out since the last one that got through; nullopt: this one is left out too.
  std::optional<uint64_t> take(Time now);

 private:
  std::optional<Time> second_;  // when the current one began
  int taken_ = 0;
  uint64_t left_out_ = 0;
};

// For the whole process: after Log is there, before the first server.
void log_libraries();

}  // namespace wasi_netd
