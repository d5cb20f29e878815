#include "policy/proxy_url.h"

#include <algorithm>
#include <charconv>

namespace wasi_netd::policy {
namespace {

struct Scheme {
  std::string_view prefix;
  Proxy::Kind kind;
  bool tls;
  std::string_view port;  // where the URL has none
};
constexpr Scheme kSchemes[] = {
    {"socks5://", Proxy::Kind::kSocks5, false, "1080"},
    {"http://", Proxy::Kind::kHttp, false, "3128"},
    {"https://", Proxy::Kind::kHttp, true, "443"},
};
constexpr size_t kMaxUser = 255;  // RFC 1929's length is one octet

// A user's name out of its URL form: RFC 3986 section 2.1. Neither empty nor with a ':', which HTTP's Basic scheme
// cannot carry (RFC 7617 section 2), nor with control characters.
std::optional<std::string> decoded_user(std::string_view text) {
  constexpr std::string_view kPlain = "-._~!$&'()*+,;=";
  const auto is_alnum = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  std::string user;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_alnum(text[i]) || kPlain.find(text[i]) != std::string_view::npos) {
      user += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    uint8_t value = 0;
    if (text[i] != '%' || digits.size() != 2) return std::nullopt;
    const auto [stop, status] = std::from_chars(digits.data(), digits.data() + 2, value, 16);
    if (status != std::errc{} || stop != digits.data() + 2) return std::nullopt;
    if (value < 0x20 || value == 0x7f || value == ':') return std::nullopt;
    user += static_cast<char>(value);
    i += 2;
  }
  if (user.empty() || user.size() > kMaxUser) return std::nullopt;
  return user;
}

// An address that a connection can be made to, and a port.
std::optional<Endpoint> parse_address(std::string_view host_and_port, std::string_view default_port) {
  const size_t bracket = host_and_port.rfind(']');
  const size_t colon = host_and_port.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string text(host_and_port);
  if (colon == std::string_view::npos) text += ":" + std::string(default_port);
  std::optional<Endpoint> endpoint = parse_endpoint(text, Transport::kTcp);
  if (!endpoint) return std::nullopt;
  const auto* name = std::get_if<NameEndpoint>(&*endpoint);
  if (name != nullptr) return name->port != 0 ? endpoint : std::nullopt;
  const auto& ip = std::get<IpEndpoint>(*endpoint);
  const AddressClass kind = classify(ip.address);
  const bool is_peer =
      kind != AddressClass::kMulticast && kind != AddressClass::kBroadcast && kind != AddressClass::kUnspecified;
  return is_peer && ip.port != 0 ? endpoint : std::nullopt;
}

}  // namespace

bool parse_proxy_url(std::string_view text, Proxy& proxy, std::string& error) {
  const auto* const scheme =
      std::ranges::find_if(kSchemes, [text](const Scheme& each) { return text.starts_with(each.prefix); });
  if (scheme == std::end(kSchemes)) {
    error = "expected socks5://, http:// or https://, and HOST:PORT; who resolves names is said by `resolve`";
    return false;
  }
  text.remove_prefix(scheme->prefix.size());
  const size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = text.substr(0, at);
    if (user.find(':') != std::string_view::npos) {
      error = "a password does not belong in the URL; name a file that holds it with `password_file`";
      return false;
    }
    const std::optional<std::string> decoded = decoded_user(user);
    if (!decoded) {
      error =
          "the user's name must be 1 to 255 characters as in URLs, others as %XX, without ':' and control characters";
      return false;
    }
    proxy.user = *decoded;
    text.remove_prefix(at + 1);
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  const std::optional<Endpoint> address = parse_address(text, scheme->port);
  if (!address) {
    error = "expected HOST, HOST:PORT or [IPV6]:PORT of the proxy after the scheme, and nothing behind it";
    return false;
  }
  proxy.kind = scheme->kind;
  proxy.tls = scheme->tls;
  proxy.address = *address;
  return true;
}

}  // namespace wasi_netd::policy
