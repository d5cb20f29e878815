#include "daemon/net/proxy/socks5.h"

#include <array>

#include "daemon/net/proxy/target.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_view_literals;

constexpr uint8_t kVersion = 5;
constexpr uint8_t kLoginVersion = 1;
constexpr uint8_t kNoAuthentication = 0;
constexpr uint8_t kUserAndPassword = 2;
constexpr uint8_t kNoneAccepted = 0xff;
constexpr char kConnect = 1;
constexpr uint8_t kIpv4 = 1;
constexpr uint8_t kDomain = 3;
constexpr uint8_t kIpv6 = 4;
constexpr size_t kPort = 2;
constexpr size_t kMaxField = 255;

char byte_of(size_t number) { return static_cast<char>(static_cast<uint8_t>(number)); }

Error not_socks5(std::string_view what, unsigned byte) {
  return Error{Errno::proto, "SOCKS5: " + std::string(what) + " " + std::to_string(byte)};
}

struct ReplyMeaning {
  Errno code;
  std::string_view text;
};
constexpr std::array<ReplyMeaning, 9> kReplies = {{
    {Errno::success, ""},
    {Errno::hostunreach, "general failure"},
    {Errno::acces, "not allowed by the proxy's rules"},
    {Errno::netunreach, "network unreachable"},
    {Errno::hostunreach, "host unreachable"},
    {Errno::connrefused, "connection refused"},
    {Errno::timedout, "TTL expired"},
    {Errno::notsup, "command not supported"},
    {Errno::afnosupport, "address type not supported"},
}};

std::string request_for(const policy::Endpoint& target) {
  std::string out = {static_cast<char>(kVersion), kConnect, 0};
  uint16_t port = 0;
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&target)) {
    const bool v4 = ip->address.family == policy::Family::kIpv4;
    out += byte_of(v4 ? kIpv4 : kIpv6);
    out.append(reinterpret_cast<const char*>(ip->address.bytes.data()), v4 ? 4 : 16);
    port = ip->port;
  } else {
    const auto& name = std::get<policy::NameEndpoint>(target);
    out += byte_of(kDomain);
    out += byte_of(name.name.size());  // 253 at most
    out += name.name;
    port = name.port;
  }
  out += byte_of(port >> 8);
  out += byte_of(port & 0xff);
  return out;
}

}  // namespace

Result<Socks5> Socks5::begin(const policy::Endpoint& target, std::string_view user, std::string_view password) {
  if (auto good = check_target(target); !good) return good.error();
  Socks5 dialogue;
  dialogue.request_ = request_for(target);
  if (user.empty()) return dialogue;
  if (user.size() > kMaxField) return Error{Errno::io, "SOCKS5 takes a user of 1 to 255 bytes"};
  if (password.empty() || password.size() > kMaxField) {
    return Error{Errno::io, "SOCKS5 takes a password of 1 to 255 bytes"};
  }
  dialogue.login_ = Secret(3 + user.size() + password.size());
  const char head[] = {static_cast<char>(kLoginVersion), byte_of(user.size())};
  const char length = byte_of(password.size());
  dialogue.login_.append({head, sizeof head});
  dialogue.login_.append(user);
  dialogue.login_.append({&length, 1});
  dialogue.login_.append(password);
  return dialogue;
}

std::string_view Socks5::to_send() const {
  switch (state_) {
    case State::kMethod:
      return login_.view().empty() ? "\5\1\0"sv : "\5\2\0\2"sv;
    case State::kAuth:
      return login_.view();
    case State::kReply:
      return request_;
    default:
      return {};
  }
}

size_t Socks5::to_read() const {
  switch (state_) {
    case State::kMethod:
    case State::kAuth:
      return 2;
    case State::kReply:
      return 4;
    case State::kDomainLength:
      return 1;
    case State::kAddress:
      return address_;
    case State::kDone:
      break;
  }
  return 0;
}

Status Socks5::take(std::string_view bytes) {
  WASI_NETD_CHECK(!bytes.empty() && bytes.size() == to_read(), "bytes of a SOCKS5 reply");
  const auto at = [bytes](size_t index) { return static_cast<uint8_t>(bytes[index]); };
  switch (state_) {
    case State::kMethod:
      return take_method(at(0), at(1));
    case State::kAuth:
      if (at(0) != kLoginVersion) return not_socks5("version of the authentication is", at(0));
      if (at(1) != 0) return Error{Errno::acces, "refuses the user and password"};
      state_ = State::kReply;
      break;
    case State::kReply:
      return take_reply(at(0), at(1), at(3));
    case State::kDomainLength:
      address_ = at(0) + kPort;
      state_ = State::kAddress;
      break;
    default:
      // Where the proxy's own socket is, which nobody here needs.
      state_ = State::kDone;
      break;
  }
  return Status();
}

Status Socks5::take_method(uint8_t version, uint8_t method) {
  if (version != kVersion) return not_socks5("version is", version);
  if (method == kNoneAccepted) {
    return Error{Errno::acces,
                 login_.view().empty() ? "asks for authentication" : "accepts no method that was offered"};
  }
  if (method == kUserAndPassword && !login_.view().empty()) {
    state_ = State::kAuth;
  } else if (method == kNoAuthentication) {
    state_ = State::kReply;
  } else {
    return not_socks5("the method chosen was not offered:", method);
  }
  return Status();
}

Status Socks5::take_reply(uint8_t version, uint8_t code, uint8_t address_type) {
  if (version != kVersion) return not_socks5("version of the reply is", version);
  if (code >= kReplies.size()) return not_socks5("unknown reply code", code);
  // The rest of a refusal is not waited for: there are proxies that do not send it.
  if (code != 0) {
    const ReplyMeaning& meaning = kReplies[code];
    return Error{meaning.code, "cannot reach the destination: " + std::string(meaning.text) + " (SOCKS5 reply " +
                                   std::to_string(code) + ")"};
  }
  switch (address_type) {
    case kIpv4:
      address_ = 4 + kPort;
      break;
    case kIpv6:
      address_ = 16 + kPort;
      break;
    case kDomain:
      state_ = State::kDomainLength;
      return Status();
    default:
      return not_socks5("unknown address type", address_type);
  }
  state_ = State::kAddress;
  return Status();
}

}  // namespace wasi_netd::net
