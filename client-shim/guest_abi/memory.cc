#include "guest_abi/memory.h"

#include <limits>

namespace wasi_netd::guest_abi {
namespace {

// Well-formed UTF-8 after RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const auto* end = at + text.size();
  while (at < end) {
    const uint8_t lead = *at++;
    if (lead < 0x80) continue;
    int more = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    for (; more > 0; --more) {
      if (at == end || *at < low || *at > high) return false;
      ++at;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}

}  // namespace

wasi_netd_errno Memory::text(uint32_t pointer, uint32_t length, std::string_view* out) const {
  const char* at = chars(pointer, length);
  if (at == nullptr) return errc::fault;
  if (length > kMaxText) return errc::nametoolong;
  const std::string_view text(at, length);
  if (!is_utf8(text)) return errc::ilseq;
  *out = text;
  return errc::success;
}

template <class Iovec>
wasi_netd_errno Memory::translate(uint32_t pointer, uint32_t count, std::vector<Iovec>* out) const {
  if (count > kMaxIovecs) return errc::inval;
  const uint8_t* array = range(pointer, uint64_t{count} * 8);
  if (array == nullptr) return errc::fault;
  out->clear();
  out->reserve(count);
  uint64_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const auto length = read<uint32_t>(array + i * 8 + 4);
    uint8_t* data = range(read<uint32_t>(array + i * 8), length);
    if (data == nullptr) return errc::fault;
    total += length;
    out->push_back({data, length});
  }
  // Buffers may overlap, so the sum can exceed the memory; the answer has 32 bits.
  return total > std::numeric_limits<uint32_t>::max() ? errc::inval : errc::success;
}

wasi_netd_errno Memory::iovecs(uint32_t pointer, uint32_t count, std::vector<wasi_netd_iovec>* out) const {
  return translate(pointer, count, out);
}
wasi_netd_errno Memory::iovecs(uint32_t pointer, uint32_t count, std::vector<wasi_netd_ciovec>* out) const {
  return translate(pointer, count, out);
}

}  // namespace wasi_netd::guest_abi
