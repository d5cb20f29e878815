// wasi_snapshot_preview1: poll_oneoff, with its two records as the witx lays them out.
#include <array>

#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

constexpr uint32_t kMaxSubscriptions = 4096;  // above any session's handles; bounds what one call may cost
constexpr uint32_t kSubscriptionSize = 48;
constexpr uint32_t kEventSize = 32;

// userdata u64 at 0, tag u8 at 8, then at 16 the clock {id u32, timeout u64 at 24, precision u64 at 32, flags u16 at
// 40} or the fd u32. `precision` only allows a later wake-up than asked for: it is not used.
wasi_netd_subscription read_subscription(const uint8_t* at) {
  wasi_netd_subscription subscription{};
  subscription.userdata = Memory::read<uint64_t>(at);
  subscription.type = Memory::read<uint8_t>(at + 8);
  if (subscription.type == WASI_NETD_EVENT_CLOCK) {
    subscription.clock_id = Memory::read<uint32_t>(at + 16);
    subscription.timeout_ns = Memory::read<uint64_t>(at + 24);
    subscription.clock_flags = Memory::read<uint16_t>(at + 40);
  } else {
    subscription.fd = Memory::read<int32_t>(at + 16);
  }
  return subscription;
}

// userdata u64 at 0, error u16 at 8, type u8 at 10, nbytes u64 at 16, flags u16 at 24.
void write_event(uint8_t* at, const wasi_netd_event& event) {
  std::array<uint8_t, kEventSize> bytes{};
  std::memcpy(&bytes[0], &event.userdata, 8);
  std::memcpy(&bytes[8], &event.error, 2);
  bytes[10] = event.type;
  std::memcpy(&bytes[16], &event.nbytes, 8);
  std::memcpy(&bytes[24], &event.flags, 2);
  std::memcpy(at, bytes.data(), bytes.size());
}

// (subscriptions*, events*, nsubscriptions, out_nevents*). The two arrays may overlap: the first is read whole before
// the second is written.
wasi_netd_errno poll_oneoff(Call& call) {
  const uint32_t count = call.u32(2);
  const auto happened = call.out<uint32_t>(3);
  if (!happened) return errc::fault;
  if (count == 0 || count > kMaxSubscriptions) return errc::inval;
  const uint8_t* in = call.memory.range(call.u32(0), uint64_t{count} * kSubscriptionSize);
  uint8_t* out = call.memory.range(call.u32(1), uint64_t{count} * kEventSize);
  if (in == nullptr || out == nullptr) return errc::fault;

  auto& subscriptions = call.instance.subscriptions;
  subscriptions.clear();
  for (uint32_t i = 0; i < count; ++i) {
    subscriptions.push_back(read_subscription(in + i * kSubscriptionSize));
    if (subscriptions.back().type > WASI_NETD_EVENT_WRITE) return errc::inval;
  }
  auto& events = call.instance.events;
  events.resize(count);
  size_t event_count = 0;
  const auto error = wasi_netd_poll(call.guest(), subscriptions.data(), count, events.data(), &event_count);
  if (error != errc::success) return error;
  for (size_t i = 0; i < event_count; ++i) write_event(out + i * kEventSize, events[i]);
  happened.set(static_cast<uint32_t>(event_count));
  return error;
}

constexpr wasi_netd_import kImports[] = {
    {"wasi_snapshot_preview1", "poll_oneoff", "iiii:i", entry<poll_oneoff>},
};

}  // namespace

std::span<const wasi_netd_import> preview1_poll_imports() { return kImports; }

}  // namespace wasi_netd::guest_abi
