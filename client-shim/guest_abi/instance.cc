#include "guest_abi/instance.h"

#include <memory>
#include <new>

#include "guest_abi/memory.h"

namespace errc = wasi_netd::guest_abi::errc;
using wasi_netd::guest_abi::StringBlock;

void StringBlock::add(std::string_view text) {
  offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  bytes_.append(text);
  bytes_.push_back('\0');
}

void wasi_netd_instance::request_exit(uint32_t code) {
  uint64_t none = 0;
  requested_.compare_exchange_strong(none, kRequested | code, std::memory_order_acq_rel);
}

std::optional<uint32_t> wasi_netd_instance::requested_exit() const {
  const uint64_t requested = requested_.load(std::memory_order_acquire);
  if (requested == 0) return std::nullopt;
  return static_cast<uint32_t>(requested);
}

bool wasi_netd_instance::ended() {
  if (!exit_code) exit_code = requested_exit();
  return exit_code.has_value();
}

namespace {

constexpr std::string_view kProtocols = "WASI_NETD_PROTOCOLS=";
constexpr size_t kMaxStrings = 1 << 20;

void add_all(const char* const* strings, StringBlock* block) {
  for (; strings != nullptr && *strings != nullptr; ++strings) {
    const std::string_view text = *strings;
    if (!text.starts_with(kProtocols)) block->add(text);
  }
}

wasi_netd_errno add_protocols(wasi_netd_guest* guest, StringBlock* environment) {
  size_t length = 0;
  std::string names;
  wasi_netd_errno error = errc::overflow;
  while ((error = wasi_netd_protocol_list(guest, names.data(), names.size(), &length)) == errc::overflow) {
    if (length <= names.size() || length > kMaxStrings) return errc::toobig;
    names.resize(length);
  }
  if (error != errc::success) return error;
  names.resize(length);
  environment->add(std::string(kProtocols) + names);
  return errc::success;
}

}  // namespace

wasi_netd_errno wasi_netd_instance_new(wasi_netd_guest* guest, const char* const* argv, const char* const* envp,
                                       wasi_netd_instance** out) {
  try {
    auto instance = std::make_unique<wasi_netd_instance>();
    for (; argv != nullptr && *argv != nullptr; ++argv) instance->arguments.add(*argv);
    add_all(envp, &instance->environment);
    const auto error = add_protocols(guest, &instance->environment);
    if (error != errc::success) return error;
    if (instance->arguments.bytes().size() + instance->environment.bytes().size() > kMaxStrings) {
      return errc::toobig;
    }
    instance->guest = guest;
    *out = instance.release();
    return errc::success;
  } catch (const std::bad_alloc&) {
    return errc::nomem;
  }
}

void wasi_netd_instance_free(wasi_netd_instance* instance) {
  if (instance == nullptr) return;
  wasi_netd_guest_close(instance->guest);
  delete instance;
}

int wasi_netd_instance_exited(const wasi_netd_instance* instance, uint32_t* out_code) {
  if (!instance->exit_code) return 0;
  if (out_code != nullptr) *out_code = *instance->exit_code;
  return 1;
}

void wasi_netd_instance_request_exit(wasi_netd_instance* instance, uint32_t code) { instance->request_exit(code); }

int wasi_netd_instance_exit_requested(const wasi_netd_instance* instance, uint32_t* out_code) {
  const auto requested = instance->requested_exit();
  if (!requested) return 0;
  if (out_code != nullptr) *out_code = *requested;
  return 1;
}

wasi_netd_guest* wasi_netd_instance_guest(wasi_netd_instance* instance) { return instance->guest; }
