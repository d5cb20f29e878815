#pragma once
// A view of a guest's linear memory that cannot be left: every access names a guest pointer and a length and is checked
// against the memory's size at the time of the call.
//
// The view lives for one import call, on the guest's thread. Memory may move when the guest grows it, which it cannot
// do while it waits in a call, so the host pointers handed out here are good until the call returns and not after.
// Guest pointers are 32-bit, lengths are taken as 64-bit: no sum of the two can wrap. Alignment is never required. An
// empty range is valid up to and including the end of the memory. Numbers are little-endian, as wasm's are.
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "wasi_netd/guest_abi.h"

namespace wasi_netd::guest_abi {

// The errnos as values of their own type (client.h has them as an enum).
namespace errc {
#define WASI_NETD_ERRNO(name, number) inline constexpr wasi_netd_errno name = number;
#include "wasi_netd/errno.def"
#undef WASI_NETD_ERRNO
}  // namespace errc

static_assert(std::endian::native == std::endian::little, "guest memory is copied byte by byte");

inline constexpr uint32_t kMaxIovecs = 1024;  // POSIX's IOV_MAX as Linux has it
inline constexpr uint32_t kMaxText = 1024;    // above the longest address, name and Unix path

// A place in guest memory for one value: checked when it was made, written once the call has succeeded.
template <class T>
class Out {
 public:
  explicit Out(uint8_t* at) : at_(at) {}
  explicit operator bool() const { return at_ != nullptr; }
  void set(T value) const { std::memcpy(at_, &value, sizeof value); }

 private:
  uint8_t* at_;  // null: out of bounds
};

class Memory {
 public:
  explicit Memory(wasi_netd_memory memory) : base_(memory.base), size_(memory.base == nullptr ? 0 : memory.size) {}

  bool contains(uint32_t pointer, uint64_t size) const { return pointer <= size_ && size <= size_ - pointer; }
  // The host address of [pointer, pointer + size); null when any of it lies outside.
  uint8_t* range(uint32_t pointer, uint64_t size) const {
    static uint8_t nothing;  // an empty range of a guest without memory still has an address
    if (!contains(pointer, size)) return nullptr;
    return base_ == nullptr ? &nothing : base_ + pointer;
  }
  char* chars(uint32_t pointer, uint64_t size) const { return reinterpret_cast<char*>(range(pointer, size)); }
  template <class T>
  Out<T> out(uint32_t pointer) const {
    return Out<T>(range(pointer, sizeof(T)));
  }
  // Of a range that was checked.
  template <class T>
  static T read(const uint8_t* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }

  // A string the guest gives: `fault`, `nametoolong` (more than kMaxText) or `ilseq` (not UTF-8).
  wasi_netd_errno text(uint32_t pointer, uint32_t length, std::string_view* out) const;

  // The guest's array of `count` {pointer, length} pairs as host iovecs. Each pair is read once. `inval`: more than
  // kMaxIovecs pairs or more than 2^32 - 1 bytes in all; `fault`: the array or a buffer lies outside.
  wasi_netd_errno iovecs(uint32_t pointer, uint32_t count, std::vector<wasi_netd_iovec>* out) const;
  wasi_netd_errno iovecs(uint32_t pointer, uint32_t count, std::vector<wasi_netd_ciovec>* out) const;

 private:
  template <class Iovec>
  wasi_netd_errno translate(uint32_t pointer, uint32_t count, std::vector<Iovec>* out) const;

  uint8_t* base_;
  uint64_t size_;
};

}  // namespace wasi_netd::guest_abi
