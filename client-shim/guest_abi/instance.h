#pragma once
// What the imports share about one guest instance (the C type wasi_netd_instance).
//
// Owned by the host program, used by the guest's thread; only the requested exit is touched by others. Owns the guest:
// destroying the instance closes it in order.
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasi_netd/guest_abi.h"

namespace wasi_netd::guest_abi {

// Strings as args_get and environ_get hand them over: one block of NUL-terminated strings and where each begins.
class StringBlock {
 public:
  void add(std::string_view text);
  const std::string& bytes() const { return bytes_; }
  const std::vector<uint32_t>& offsets() const { return offsets_; }

 private:
  std::string bytes_;
  std::vector<uint32_t> offsets_;
};

}  // namespace wasi_netd::guest_abi

struct wasi_netd_instance {
  wasi_netd_guest* guest = nullptr;
  wasi_netd::guest_abi::StringBlock arguments;
  wasi_netd::guest_abi::StringBlock environment;
  std::optional<uint32_t> exit_code;  // set: the guest has ended

  // Kept from call to call so that reads, writes and polls allocate nothing.
  std::vector<wasi_netd_iovec> iovecs;
  std::vector<wasi_netd_ciovec> ciovecs;
  std::vector<wasi_netd_subscription> subscriptions;
  std::vector<wasi_netd_event> events;

  void request_exit(uint32_t code);
  std::optional<uint32_t> requested_exit() const;
  // Ends the guest if an exit was requested; true when the guest has ended, so or otherwise.
  bool ended();

 private:
  static constexpr uint64_t kRequested = uint64_t{1} << 32;
  std::atomic<uint64_t> requested_{0};  // 0, or kRequested + code
};
