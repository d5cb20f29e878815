// Fuzz target: any bytes as what a proxy says, in SOCKS5 and in HTTP, and as a name and a user to ask it for.
// The first byte chooses: bit 0 HTTP or SOCKS5, bit 1 with a login, bit 2 the rest is a name and a user instead.
//
// A dialogue ends within the bytes that its bounds allow; what an HTTP answer comes to does not depend on how it was
// cut into pieces; and no name and no user adds a line to a request.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/net/proxy/http_connect.h"
#include "daemon/net/proxy/socks5.h"

namespace {

using namespace wasi_netd;
using namespace wasi_netd::net;

void require(bool holds) {
  if (!holds) std::abort();
}

policy::Endpoint some_target() { return policy::NameEndpoint{"a.example", 80}; }

void require_clear(const Error& error) {
  require(!error.detail.empty() && error.detail.size() < 200);
  for (const char c : error.detail) require(c >= ' ' && c < 0x7f);
  require(error.detail.find("secret") == std::string::npos);
}

void talk_socks5(std::string_view bytes, bool login) {
  constexpr size_t kLongest = 2 + 2 + 4 + 1 + Socks5::kMaxRead;
  auto dialogue = Socks5::begin(some_target(), login ? "user" : "", login ? "secret" : "");
  require(dialogue.has_value());
  size_t taken = 0;
  while (const size_t size = dialogue->to_read()) {
    require(size <= Socks5::kMaxRead && taken + size <= kLongest);
    if (size > bytes.size()) return;
    // Nothing secret goes out before the proxy has chosen to be sent it.
    if (taken == 0) require(dialogue->to_send().find("secret") == std::string_view::npos);
    const auto status = dialogue->take(bytes.substr(0, size));
    if (!status) return require_clear(status.error());
    bytes.remove_prefix(size);
    taken += size;
  }
  require(dialogue->to_send().empty());
}

void read_answer(std::string_view bytes, bool login) {
  ConnectReply at_once(login);
  const auto whole = at_once.look(bytes);
  if (!whole) require_clear(whole.error());
  if (whole && *whole) {
    require(**whole <= ConnectReply::kMaxHead && **whole <= bytes.size());
    require(bytes[**whole - 1] == '\n' && bytes.starts_with("HTTP/1."));
  }
  if (whole && !*whole) require(bytes.size() < ConnectReply::kMaxHead);

  ConnectReply in_pieces(login);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const auto part = in_pieces.look(bytes.substr(0, size));
    if (!part) return require(whole.has_error() && part.error().code == whole.error().code);
    if (*part) return require(whole.has_value() && *whole == *part && size == **part);
  }
  require(whole.has_value() && !*whole);
}

void ask_for(std::string_view text) {
  const size_t half = text.size() / 2;
  const policy::Endpoint target = policy::NameEndpoint{std::string(text.substr(0, half)), 80};
  const std::string_view user = text.substr(half);
  const auto request = connect_request(target, user, "secret");
  const auto dialogue = Socks5::begin(target, user, "secret");
  if (!request) require_clear(request.error());
  if (!dialogue) require_clear(dialogue.error());
  if (!request) return;
  const std::string_view head = request->view();
  require(std::ranges::count(head, '\n') == (user.empty() ? 3 : 4) && head.ends_with("\r\n\r\n"));
  require(std::ranges::count(head, '\r') == std::ranges::count(head, '\n'));
  require(std::ranges::all_of(head, [](char c) { return c == '\r' || c == '\n' || (c >= ' ' && c < 0x7f); }));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool login = (data[0] & 2) != 0;
  if ((data[0] & 4) != 0) {
    ask_for(bytes);
  } else if ((data[0] & 1) != 0) {
    read_answer(bytes, login);
  } else {
    talk_socks5(bytes, login);
  }
  return 0;
}
