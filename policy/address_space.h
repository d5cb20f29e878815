#pragma once
// The IP address space: bits, blocks, the special-purpose registries, and IPv4 hidden in IPv6. Internal to the library.
//
// Pure values, any thread. Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and updates),
// RFC 4291 (address space outside 2000::/3 is not global unicast), RFC 6052 and 8215 (NAT64), 3056 (6to4), 4380
// (Teredo).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/address.h"

namespace wasi_netd::policy {

// An address as a number, most significant bit first; IPv4 fills the top 32 bits.
struct AddressBits {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const AddressBits&) const = default;
};
AddressBits bits_of(const IpAddress&);
AddressBits masked(AddressBits, int length);
constexpr int width_of(Family family) { return family == Family::kIpv4 ? 32 : 128; }

// The addresses that share the first `length` bits of `network`.
struct AddressBlock {
  IpAddress network;
  int length = 0;
};
// "10.1.0.0/16", "2001:db8::/32", "[2001:db8::]/32" is split by the caller; a bare address is the block of one address.
// A block of mapped addresses is the IPv4 block. On failure nullopt and `error` says why.
std::optional<AddressBlock> parse_block(std::string_view text, std::string& error);
std::string to_string(const AddressBlock&);
// The block of this length that holds the address.
AddressBlock block_around(const IpAddress&, int length);

// The registry entry that gives an address its class. `length` counts in the address's own bits, so a rule of at least
// this length that holds the address lies wholly inside the special block, hidden IPv4 included. 0 for kPublic.
struct SpecialBlock {
  AddressClass address_class = AddressClass::kPublic;
  int length = 0;
};
SpecialBlock special_block(const IpAddress&);

// Every IPv4 address that this IPv6 address can stand for. More than one where the form leaves it open (Teredo names
// server and client; 64:ff9b:1::/48 does not say which RFC 6052 layout its owner uses).
std::vector<IpAddress> embedded_ipv4(const IpAddress&);

}  // namespace wasi_netd::policy
