#include "policy/address.h"

#include <algorithm>
#include <span>

#include "policy/ip_text.h"
#include "policy/printable.h"

namespace wasi_netd::policy {
namespace {

constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxZone = 15;       // IFNAMSIZ without the final NUL
constexpr size_t kMaxUnixName = 107;  // sun_path without the final NUL

// ASCII only, whatever the locale says.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// What resolvers of the inet_aton kind would take for a number, and so for an address: "1", "0x7f", "0x".
bool ends_in_number(std::string_view label) {
  if (std::ranges::all_of(label, is_digit)) return true;
  return label.size() >= 2 && label[0] == '0' && lower(label[1]) == 'x' && std::ranges::all_of(label.substr(2), is_hex);
}

std::optional<IpAddress> parse_ipv6(std::string_view text) {
  const size_t percent = text.find('%');
  const std::optional<std::array<uint8_t, 16>> bytes = parse_ipv6_text(text.substr(0, percent));
  if (!bytes) return std::nullopt;
  std::string zone;
  if (percent != std::string_view::npos) {
    zone = text.substr(percent + 1);
    const auto in_zone = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; };
    const bool link_local = (*bytes)[0] == 0xfe && ((*bytes)[1] & 0xc0) == 0x80;
    if (!link_local || zone.empty() || zone.size() > kMaxZone || !std::ranges::all_of(zone, in_zone))
      return std::nullopt;
  }
  return IpAddress::v6(*bytes, std::move(zone));
}

std::optional<Endpoint> parse_unix(std::string_view text) {
  if (text.empty() || text == "0.0.0.0:0" || text == "[::]:0") return UnixEndpoint{};
  if (text[0] == '@') {
    const std::string_view name = text.substr(1);
    if (name.empty() || name.size() > kMaxUnixName || !is_printable(name)) return std::nullopt;
    return UnixEndpoint{std::string(name), true};
  }
  if (!is_normal_path(text)) return std::nullopt;
  return UnixEndpoint{std::string(text), false};
}

std::optional<Endpoint> parse_host_and_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::optional<uint16_t> port = parse_decimal(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.front() == '[') {
    if (host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
    const std::optional<IpAddress> address = host.find(':') == std::string_view::npos ? std::nullopt : parse_ipv6(host);
    if (!address) return std::nullopt;
    return IpEndpoint{*address, *port};
  }
  if (host.find(':') != std::string_view::npos) return std::nullopt;
  if (const std::optional<IpAddress> address = parse_ip(host)) return IpEndpoint{*address, *port};
  if (std::optional<std::string> name = parse_name(host)) return NameEndpoint{std::move(*name), *port};
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Transport transport) {
  switch (transport) {
    case Transport::kTcp:
      return "tcp";
    case Transport::kUdp:
      return "udp";
    case Transport::kUnix:
      return "unix";
  }
  return "unix";
}

IpAddress IpAddress::v4(std::array<uint8_t, 4> octets) {
  IpAddress address;
  std::ranges::copy(octets, address.bytes.begin());
  return address;
}

IpAddress IpAddress::v6(std::array<uint8_t, 16> octets, std::string zone) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::ranges::equal(kMapped, std::span(octets).first<12>())) {
    return v4({octets[12], octets[13], octets[14], octets[15]});
  }
  IpAddress address;
  address.family = Family::kIpv6;
  address.bytes = octets;
  address.zone = std::move(zone);
  return address;
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return parse_ipv6(text);
  const std::optional<std::array<uint8_t, 4>> octets = parse_ipv4_text(text);
  if (!octets) return std::nullopt;
  return IpAddress::v4(*octets);
}

bool is_normal_path(std::string_view path) {
  if (path.size() < 2 || path.size() > kMaxUnixName || path[0] != '/' || path.back() == '/') return false;
  if (!is_printable(path)) return false;
  for (size_t start = 1; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = end + 1;
  }
  return true;
}

std::optional<std::string> parse_name(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxName) return std::nullopt;
  std::string_view label;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find('.', start), text.size());
    label = text.substr(start, end - start);
    const auto allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '-'; };
    if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-') return std::nullopt;
    if (!std::ranges::all_of(label, allowed)) return std::nullopt;
    start = end + 1;
  }
  if (ends_in_number(label)) return std::nullopt;
  std::string name(text);
  std::ranges::transform(name, name.begin(), lower);
  return name;
}

std::optional<Endpoint> parse_endpoint(std::string_view text, Transport transport) {
  return uses_ip(transport) ? parse_host_and_port(text) : parse_unix(text);
}

std::string to_string(const IpAddress& address) {
  if (address.family == Family::kIpv4) return ipv4_text(address.bytes.data());
  const std::string text = ipv6_text(address.bytes);
  return address.zone.empty() ? text : text + "%" + address.zone;
}

std::string to_string(const Endpoint& endpoint) {
  if (const auto* ip = std::get_if<IpEndpoint>(&endpoint)) {
    const std::string host = to_string(ip->address);
    const std::string port = ":" + std::to_string(ip->port);
    return ip->address.family == Family::kIpv4 ? host + port : "[" + host + "]" + port;
  }
  if (const auto* name = std::get_if<NameEndpoint>(&endpoint)) return name->name + ":" + std::to_string(name->port);
  const auto& unix_name = std::get<UnixEndpoint>(endpoint);
  return unix_name.abstract ? "@" + unix_name.name : unix_name.name;
}

bool is_any(const Endpoint& endpoint) {
  if (const auto* ip = std::get_if<IpEndpoint>(&endpoint)) return ip->port == 0 && ip->address.is_unspecified();
  if (const auto* name = std::get_if<UnixEndpoint>(&endpoint)) return !name->abstract && name->name.empty();
  return false;
}

std::string_view to_string(AddressClass address_class) {
  switch (address_class) {
    case AddressClass::kPublic:
      return "public";
    case AddressClass::kThisHost:
      return "this-host";
    case AddressClass::kUnspecified:
      return "unspecified";
    case AddressClass::kLoopback:
      return "loopback";
    case AddressClass::kPrivate:
      return "private";
    case AddressClass::kLinkLocal:
      return "link-local";
    case AddressClass::kSharedCgnat:
      return "shared-cgnat";
    case AddressClass::kMulticast:
      return "multicast";
    case AddressClass::kBroadcast:
      return "broadcast";
    case AddressClass::kDocumentation:
      return "documentation";
    case AddressClass::kBenchmark:
      return "benchmark";
    case AddressClass::kReserved:
      return "reserved";
    case AddressClass::kNat64Local:
      return "nat64-local";
  }
  return "reserved";
}

}  // namespace wasi_netd::policy
