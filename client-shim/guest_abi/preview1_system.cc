// wasi_snapshot_preview1: arguments, environment, clocks, random numbers, the end of the guest.
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <sched.h>

#include <sys/random.h>

#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

// (count*, bytes*)
wasi_netd_errno sizes_get(const Call& call, const StringBlock& strings) {
  const auto count = call.out<uint32_t>(0);
  const auto bytes = call.out<uint32_t>(1);
  if (!count || !bytes) return errc::fault;
  count.set(static_cast<uint32_t>(strings.offsets().size()));
  bytes.set(static_cast<uint32_t>(strings.bytes().size()));
  return errc::success;
}

// (pointers*, bytes*)
wasi_netd_errno strings_get(const Call& call, const StringBlock& strings) {
  uint8_t* pointers = call.memory.range(call.u32(0), strings.offsets().size() * uint64_t{4});
  char* bytes = call.memory.chars(call.u32(1), strings.bytes().size());
  if (pointers == nullptr || bytes == nullptr) return errc::fault;
  for (const uint32_t offset : strings.offsets()) {
    const uint32_t pointer = call.u32(1) + offset;  // inside the range just checked
    std::memcpy(pointers, &pointer, sizeof pointer);
    pointers += sizeof pointer;
  }
  std::ranges::copy(strings.bytes(), bytes);
  return errc::success;
}

wasi_netd_errno args_sizes_get(Call& call) { return sizes_get(call, call.instance.arguments); }
wasi_netd_errno args_get(Call& call) { return strings_get(call, call.instance.arguments); }
wasi_netd_errno environ_sizes_get(Call& call) { return sizes_get(call, call.instance.environment); }
wasi_netd_errno environ_get(Call& call) { return strings_get(call, call.instance.environment); }

using ReadClock = int (*)(clockid_t, timespec*);

// Clock ids are 0 realtime, 1 monotonic, 2 process CPU, 3 thread CPU. A guest is a thread of the host's process and
// learns nothing of the other guests' CPU time: its process clock is its thread's.
wasi_netd_errno read_clock(const Call& call, size_t out_index, ReadClock read) {
  constexpr clockid_t kClocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
  const auto nanoseconds = call.out<uint64_t>(out_index);
  if (!nanoseconds) return errc::fault;
  if (call.u32(0) >= std::size(kClocks)) return errc::inval;
  timespec time{};
  if (read(kClocks[call.u32(0)], &time) != 0) return errc::notsup;
  nanoseconds.set(static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec));
  return errc::success;
}

// (clock_id, resolution*)
wasi_netd_errno clock_res_get(Call& call) { return read_clock(call, 1, clock_getres); }
// (clock_id, precision, time*)
wasi_netd_errno clock_time_get(Call& call) { return read_clock(call, 2, clock_gettime); }

// (buffer*, length)
wasi_netd_errno random_get(Call& call) {
  uint8_t* buffer = call.memory.range(call.u32(0), call.u32(1));
  if (buffer == nullptr) return errc::fault;
  for (size_t done = 0; done < call.u32(1);) {
    const ssize_t got = getrandom(buffer + done, call.u32(1) - done, 0);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (errno != EINTR) {
      return errc::io;
    }
  }
  return errc::success;
}

// (code)
wasi_netd_errno proc_exit(Call& call) {
  call.instance.exit_code = call.u32(0);
  return errc::success;
}

// (signal): a guest has no signals.
wasi_netd_errno proc_raise(Call&) { return errc::notsup; }

wasi_netd_errno yield(Call&) {
  sched_yield();
  return errc::success;
}

constexpr const char* kModule = "wasi_snapshot_preview1";
constexpr wasi_netd_import kImports[] = {
    {kModule, "args_get", "ii:i", entry<args_get>},
    {kModule, "args_sizes_get", "ii:i", entry<args_sizes_get>},
    {kModule, "environ_get", "ii:i", entry<environ_get>},
    {kModule, "environ_sizes_get", "ii:i", entry<environ_sizes_get>},
    {kModule, "clock_res_get", "ii:i", entry<clock_res_get>},
    {kModule, "clock_time_get", "iIi:i", entry<clock_time_get>},
    {kModule, "random_get", "ii:i", entry<random_get>},
    {kModule, "proc_exit", "i:", entry<proc_exit>},
    {kModule, "proc_raise", "i:i", entry<proc_raise>},
    {kModule, "sched_yield", ":i", entry<yield>},
};

}  // namespace

std::span<const wasi_netd_import> preview1_system_imports() { return kImports; }

}  // namespace wasi_netd::guest_abi
