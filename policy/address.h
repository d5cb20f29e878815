#pragma once
// Addresses as guests and policy files write them, and the one classifier that every decision uses.
//
// Pure values: no socket, no resolver, no clock; any thread. Parsing is strict (docs/guest-api.md, row ADDR): dotted
// quad without leading zeros, bracketed IPv6 (RFC 4291 text, zone allowed for link-local), a port of 0..65535 that must
// be there, no spaces. An IPv4-mapped IPv6 address is the IPv4 address it holds, from the parser on.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace wasi_netd::policy {

enum class Transport : uint8_t { kTcp, kUdp, kUnix };
std::string_view to_string(Transport);
// Whether its addresses are IP addresses with ports, and names that resolve to them.
constexpr bool uses_ip(Transport transport) { return transport != Transport::kUnix; }

enum class Family : uint8_t { kIpv4, kIpv6 };

struct IpAddress {
  Family family = Family::kIpv4;
  std::array<uint8_t, 16> bytes{};  // network order; IPv4 uses the first four
  std::string zone;                 // "eth0" of fe80::1%eth0, else empty

  static IpAddress v4(std::array<uint8_t, 4> octets);
  static IpAddress v6(std::array<uint8_t, 16> octets, std::string zone = {});  // a mapped address becomes IPv4
  bool is_unspecified() const;
  bool operator==(const IpAddress&) const = default;
};

struct IpEndpoint {
  IpAddress address;
  uint16_t port = 0;
  bool operator==(const IpEndpoint&) const = default;
};
struct NameEndpoint {
  std::string name;  // lower case, A-labels, no trailing dot
  uint16_t port = 0;
  bool operator==(const NameEndpoint&) const = default;
};
struct UnixEndpoint {
  std::string name;       // absolute normal path, or the abstract name without its '@'
  bool abstract = false;  // empty name and not abstract: unnamed
  bool operator==(const UnixEndpoint&) const = default;
};
using Endpoint = std::variant<IpEndpoint, NameEndpoint, UnixEndpoint>;

// An absolute path that is spelt the one way rules are compared with: no "//", ".", "..", trailing '/' or control
// character, UTF-8, at most 107 bytes.
bool is_normal_path(std::string_view);

// An address a guest gave: nullopt when it breaks a rule above. For kUnix, "" and the two any:0 spellings are the
// unnamed endpoint; a path must be normal.
std::optional<Endpoint> parse_endpoint(std::string_view text, Transport);
std::optional<IpAddress> parse_ip(std::string_view text);  // without brackets or port
// A host name: RFC 1123 letters, digits, hyphens; 1..253 octets; labels 1..63; not all-numeric last label (that would
// be a mistyped address); IDNA U-labels are refused (the guest sends A-labels). Lower-cased, trailing dot dropped.
std::optional<std::string> parse_name(std::string_view text);

std::string to_string(const IpAddress&);  // RFC 5952 for IPv6
std::string to_string(const Endpoint&);   // parses back to the same endpoint

// True for 0.0.0.0:0, [::]:0 and the unnamed Unix endpoint.
bool is_any(const Endpoint&);

// What an address is for, from the IANA special-purpose registries (RFC 6890 and its updates).
enum class AddressClass : uint8_t {
  kPublic,
  kThisHost,
  kUnspecified,
  kLoopback,
  kPrivate,
  kLinkLocal,
  kSharedCgnat,
  kMulticast,
  kBroadcast,
  kDocumentation,
  kBenchmark,
  kReserved,
  kNat64Local,
};
std::string_view to_string(AddressClass);
// Looks through every way of hiding IPv4 in IPv6 (mapped, compatible, NAT64 64:ff9b::/96, 6to4, Teredo) and classifies
// the inside; 64:ff9b:1::/48 is kNat64Local whole (RFC 8215).
AddressClass classify(const IpAddress&);

}  // namespace wasi_netd::policy
