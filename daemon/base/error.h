#pragma once
// Errors of the daemon. Three kinds, never mixed:
//   refusal - policy, quota, peer, kernel said no: Result<T>, turned into the reply by the direct caller;
//   fault   - a request no correct shim sends: the rpc ends with a gRPC status (rpc layer only);
//   bug     - check() fails: the process aborts with the state in the message.
// Errno is the guest's errno; `detail` is for the log and the audit record and never leaves the daemon.
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace wasi_netd {

enum class Errno : uint16_t {
#define WASI_NETD_ERRNO(name, number) name = number,
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
};
std::string_view to_string(Errno);

struct Error {
  Errno code;
  std::string detail;
};
template <class T>
using Result = boost::system::result<T, Error>;
using Status = Result<void>;

[[noreturn]] void throw_exception_from_error(const Error&, const boost::source_location&);

// The guest's errno for a Linux errno. Numbers without a WASI counterpart are `io`.
Errno errno_from_system(int system_errno);
// The same with the system's text, and `what` in front, as detail.
Error system_error(int system_errno, std::string_view what);
Error system_error(const boost::system::error_code&, std::string_view what);

[[noreturn]] void bug(const char* expression, const char* file, int line, std::string_view state);
}  // namespace wasi_netd

// Aborts with `state` (a string) when the condition does not hold: for what only our own mistake can cause.
#define WASI_NETD_CHECK(condition, state) \
  ((condition) ? void() : ::wasi_netd::bug(#condition, __FILE__, __LINE__, (state)))
