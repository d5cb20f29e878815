#include "policy/address_space.h"

#include <algorithm>
#include <charconv>
#include <span>

namespace wasi_netd::policy {
namespace {

struct Registered {
  AddressBits network;
  int length;
  AddressClass address_class;
};

constexpr AddressBits v4(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return {(a << 24 | b << 16 | c << 8 | d) << 32, 0};
}

// The longest block that holds an address decides, so the order of rows does not matter.
constexpr Registered kIpv4Registry[] = {
    {v4(0, 0, 0, 0), 32, AddressClass::kUnspecified},
    {v4(0, 0, 0, 0), 8, AddressClass::kThisHost},          // RFC 791
    {v4(10, 0, 0, 0), 8, AddressClass::kPrivate},          // RFC 1918
    {v4(100, 64, 0, 0), 10, AddressClass::kSharedCgnat},   // RFC 6598
    {v4(127, 0, 0, 0), 8, AddressClass::kLoopback},        // RFC 1122
    {v4(169, 254, 0, 0), 16, AddressClass::kLinkLocal},    // RFC 3927, cloud metadata
    {v4(172, 16, 0, 0), 12, AddressClass::kPrivate},       // RFC 1918
    {v4(192, 0, 0, 0), 24, AddressClass::kReserved},       // RFC 6890, protocol assignments
    {v4(192, 0, 2, 0), 24, AddressClass::kDocumentation},  // RFC 5737
    {v4(192, 88, 99, 0), 24, AddressClass::kReserved},     // RFC 7526, former 6to4 relays
    {v4(192, 168, 0, 0), 16, AddressClass::kPrivate},      // RFC 1918
    {v4(198, 18, 0, 0), 15, AddressClass::kBenchmark},     // RFC 2544
    {v4(198, 51, 100, 0), 24, AddressClass::kDocumentation},
    {v4(203, 0, 113, 0), 24, AddressClass::kDocumentation},
    {v4(224, 0, 0, 0), 4, AddressClass::kMulticast},  // RFC 5771
    {v4(240, 0, 0, 0), 4, AddressClass::kReserved},   // RFC 1112
    {v4(255, 255, 255, 255), 32, AddressClass::kBroadcast},
};

constexpr Registered kIpv6Registry[] = {
    {{0, 0}, 128, AddressClass::kUnspecified},
    {{0, 1}, 128, AddressClass::kLoopback},
    {{0, 0xffff'0000'0000'0000}, 96, AddressClass::kReserved},       // ::ffff:0:0:0/96, RFC 2765 translated
    {{0x0064'ff9b'0001'0000, 0}, 48, AddressClass::kNat64Local},     // RFC 8215
    {{0x0100'0000'0000'0000, 0}, 64, AddressClass::kReserved},       // RFC 6666, discard-only
    {{0x2001'0000'0000'0000, 0}, 23, AddressClass::kReserved},       // RFC 2928, holds ORCHID and others
    {{0x2001'0002'0000'0000, 0}, 48, AddressClass::kBenchmark},      // RFC 5180
    {{0x2001'0db8'0000'0000, 0}, 32, AddressClass::kDocumentation},  // RFC 3849
    {{0x3fff'0000'0000'0000, 0}, 20, AddressClass::kDocumentation},  // RFC 9637
    {{0xfc00'0000'0000'0000, 0}, 7, AddressClass::kPrivate},         // RFC 4193, unique local
    {{0xfe80'0000'0000'0000, 0}, 10, AddressClass::kLinkLocal},      // RFC 4291
    {{0xfec0'0000'0000'0000, 0}, 10, AddressClass::kPrivate},        // RFC 3879, former site-local
    {{0xff00'0000'0000'0000, 0}, 8, AddressClass::kMulticast},       // RFC 4291
    {{0x0000'0000'0000'0000, 0}, 3, AddressClass::kReserved},        // all but 2000::/3
    {{0x4000'0000'0000'0000, 0}, 2, AddressClass::kReserved},
    {{0x8000'0000'0000'0000, 0}, 1, AddressClass::kReserved},
};

// A way to write IPv4 inside IPv6 whose class is that of the inside.
struct Embedding {
  AddressBits network;
  int length;
  int offset;     // in bits; the inside is the 32 bits from here
  bool inverted;  // Teredo stores its client's address with every bit flipped
};
constexpr Embedding kEmbeddings[] = {
    {{0, 0}, 96, 96, false},                      // compatible, RFC 4291
    {{0, 0x0000'ffff'0000'0000}, 96, 96, false},  // mapped; the parser never leaves one, callers might
    {{0x0064'ff9b'0000'0000, 0}, 96, 96, false},  // NAT64, RFC 6052
    {{0x2002'0000'0000'0000, 0}, 16, 16, false},  // 6to4
    {{0x2001'0000'0000'0000, 0}, 32, 96, true},   // Teredo: the client
    {{0x2001'0000'0000'0000, 0}, 32, 32, false},  // Teredo: its server
};

bool holds(AddressBits network, int length, AddressBits address) { return masked(address, length) == network; }

SpecialBlock longest(std::span<const Registered> registry, AddressBits address) {
  SpecialBlock best{AddressClass::kPublic, -1};
  for (const Registered& row : registry) {
    if (row.length > best.length && holds(row.network, row.length, address)) best = {row.address_class, row.length};
  }
  if (best.length < 0) best.length = 0;
  return best;
}

IpAddress ipv4_at(const IpAddress& address, int bit_offset, bool inverted) {
  std::array<uint8_t, 4> octets{};
  std::copy_n(address.bytes.begin() + bit_offset / 8, octets.size(), octets.begin());
  if (inverted) {
    for (uint8_t& octet : octets) octet = static_cast<uint8_t>(~octet);
  }
  return IpAddress::v4(octets);
}

// :: and ::1 lie in ::/96 and are themselves, not 0.0.0.0 and 0.0.0.1.
bool may_embed(AddressBits bits) { return bits.high != 0 || bits.low > 1; }

// RFC 6052 section 2.2: octet 8 is skipped when the address crosses it.
IpAddress rfc6052(const IpAddress& address, size_t byte) {
  std::array<uint8_t, 4> octets{};
  for (uint8_t& octet : octets) {
    if (byte == 8) ++byte;
    octet = address.bytes[byte++];
  }
  return IpAddress::v4(octets);
}

}  // namespace

AddressBits bits_of(const IpAddress& address) {
  AddressBits bits;
  for (size_t i = 0; i < 8; ++i) bits.high = bits.high << 8 | address.bytes[i];
  for (size_t i = 8; i < 16; ++i) bits.low = bits.low << 8 | address.bytes[i];
  return bits;
}

AddressBits masked(AddressBits bits, int length) {
  if (length <= 64) {
    bits.low = 0;
    if (length == 0)
      bits.high = 0;
    else
      bits.high &= ~uint64_t{0} << (64 - length);
  } else if (length < 128) {
    bits.low &= ~uint64_t{0} << (128 - length);
  }
  return bits;
}

std::optional<AddressBlock> parse_block(std::string_view text, std::string& error) {
  const size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  std::optional<IpAddress> network = parse_ip(host);
  if (!network || !network->zone.empty()) {
    error = "not an IP address or block";
    return std::nullopt;
  }
  const int width = width_of(network->family);
  if (slash == std::string_view::npos) return AddressBlock{*network, width};

  const std::string_view digits = text.substr(slash + 1);
  const bool written_as_ipv6 = host.find(':') != std::string_view::npos;
  const int written_width = written_as_ipv6 ? 128 : 32;
  int length = -1;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const bool leading_zero = digits.size() > 1 && digits[0] == '0';
  if (status != std::errc{} || end != digits.data() + digits.size() || digits[0] == '-' || leading_zero ||
      length > written_width) {
    error = "the prefix length must be 0.." + std::to_string(written_width);
    return std::nullopt;
  }
  length -= written_width - width;  // a block of mapped addresses, counted from the IPv4 address on
  const AddressBits bits = bits_of(*network);
  if (length < 0 || masked(bits, length) != bits) {
    error = "bits are set after the prefix";
    if (length >= 0) error += "; write " + to_string(block_around(*network, length));
    return std::nullopt;
  }
  return AddressBlock{*network, length};
}

std::string to_string(const AddressBlock& block) {
  std::string text = to_string(block.network);
  if (block.length != width_of(block.network.family)) text += "/" + std::to_string(block.length);
  return text;
}

AddressBlock block_around(const IpAddress& address, int length) {
  AddressBlock block{address, length};
  block.network.zone.clear();
  const AddressBits bits = masked(bits_of(address), length);
  for (size_t i = 0; i < 16; ++i) {
    const uint64_t half = i < 8 ? bits.high : bits.low;
    block.network.bytes[i] = static_cast<uint8_t>(half >> (56 - 8 * (i % 8)));
  }
  return block;
}

SpecialBlock special_block(const IpAddress& address) {
  const AddressBits bits = bits_of(address);
  if (address.family == Family::kIpv4) return longest(kIpv4Registry, bits);
  bool embeds = false;
  if (may_embed(bits)) {
    for (const Embedding& form : kEmbeddings) {
      if (!holds(form.network, form.length, bits)) continue;
      embeds = true;
      SpecialBlock inside = special_block(ipv4_at(address, form.offset, form.inverted));
      if (inside.address_class == AddressClass::kPublic) continue;
      inside.length += form.offset;
      return inside;
    }
  }
  return embeds ? SpecialBlock{} : longest(kIpv6Registry, bits);
}

std::vector<IpAddress> embedded_ipv4(const IpAddress& address) {
  std::vector<IpAddress> inside;
  const AddressBits bits = bits_of(address);
  if (address.family == Family::kIpv4 || !may_embed(bits)) return inside;
  for (const Embedding& form : kEmbeddings) {
    if (holds(form.network, form.length, bits)) inside.push_back(ipv4_at(address, form.offset, form.inverted));
  }
  // These two are refused by class, whatever is inside; a rule may open them, and then denied IPv4 stays denied.
  if (holds({0, 0xffff'0000'0000'0000}, 96, bits)) inside.push_back(rfc6052(address, 12));
  if (holds({0x0064'ff9b'0001'0000, 0}, 48, bits)) {
    for (const size_t byte : {6, 7, 8, 12}) inside.push_back(rfc6052(address, byte));
  }
  return inside;
}

AddressClass classify(const IpAddress& address) { return special_block(address).address_class; }

}  // namespace wasi_netd::policy
