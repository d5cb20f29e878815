#pragma once
// What the kernel says of a process: its own, or one that a test started.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

namespace wasi_netd::test {

// Whether resident memory tells what a program holds. AddressSanitizer keeps what was freed and pads what was not.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kMemoryTells = false;
#else
inline constexpr bool kMemoryTells = true;
#endif

inline std::string proc_file(pid_t pid, const std::string& name) { return "/proc/" + std::to_string(pid) + "/" + name; }

inline size_t resident_bytes(pid_t pid) {
  std::ifstream status(proc_file(pid, "status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1024;
  }
  throw std::runtime_error("no VmRSS");
}

// Of all its threads, so far; in clock ticks of 10 ms.
inline std::chrono::milliseconds cpu_time(pid_t pid) {
  std::ifstream stat(proc_file(pid, "stat"));
  std::string line;
  std::getline(stat, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));  // from the third field on, the state
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  long user = 0, system = 0;
  fields >> user >> system;
  return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

// How often its threads began to wait, so far, but for gRPC's own, which look at their timers now and then.
inline size_t waits_begun(pid_t pid) {
  constexpr std::string_view kOfGrpc[] = {"grpc_global_tim", "timer_manager",   "nexting_thread",
                                          "default-executo", "resolver-execut", "event_engine"};
  constexpr std::string_view kKey = "voluntary_ctxt_switches:";
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator(proc_file(pid, "task"))) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (std::ranges::count(kOfGrpc, name) > 0) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(kKey)) count += std::stoul(line.substr(kKey.size()));
    }
  }
  return count;
}

inline size_t open_descriptors(pid_t pid) {
  const std::filesystem::directory_iterator all(proc_file(pid, "fd"));
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}
inline size_t open_descriptors() { return open_descriptors(::getpid()) - 1; }  // without the one of the iterator

}  // namespace wasi_netd::test
