#pragma once
// A stand-in for the shim's C interface: one fd of each kind and no daemon, so that what the imports make of a guest's
// memory can be tested alone. Reads fill every byte they are given, so that a wrong pointer shows under a sanitizer.
#include <cstdint>
#include <string>
#include <vector>

#include "wasi_netd/client.h"

struct wasi_netd_guest {
  int calls = 0;                   // of everything but fdstat_get, which only looks
  uint64_t rights = ~uint64_t{0};  // of every network fd
  wasi_netd_errno answer = WASI_NETD_ERRNO_success;
  std::string protocols = "local:3,web:7";
  std::string written;       // what write and send were given
  std::string address;       // what open, connect, resolve or protocol_get were given
  uint64_t rights_base = 0;  // what open and stream_create asked for
  uint64_t rights_inheriting = 0;
  uint32_t accept_flags = 0;  // what sock_accept asked for
  std::vector<wasi_netd_subscription> polled;
  std::vector<wasi_netd_event> events;  // what poll answers
  bool* ended = nullptr;                // set when the guest is closed
};

namespace fake {
inline constexpr int32_t kStdio = 1;
inline constexpr int32_t kProtocol = 3;
inline constexpr int32_t kControl = 4;
inline constexpr int32_t kConnection = 5;
inline constexpr int32_t kStream = 6;
inline constexpr int32_t kMade = 40;  // what a call that makes an fd gives
inline constexpr int32_t kUnknown = 99;
}  // namespace fake
