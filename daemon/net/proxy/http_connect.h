#pragma once
// The client's side of HTTP CONNECT (RFC 9110 section 9.3.6, RFC 9112): the request as bytes, and a parser for the
// answer's head. Pure, any thread, one at a time.
//
// What a status means:
//   2xx                the tunnel stands; whatever the header says about content is ignored (RFC 9110 section 9.3.6)
//   1xx                skipped, another head follows; 101 is `proto`: nothing was to be upgraded
//   407                acces: the proxy asks for authentication, or refuses what it got
//   404, 410, 500, 502, 503, other 5xx   hostunreach: proxies use them for whatever went wrong on the way there
//   408, 504           timedout
//   405, 501, 505      notsup: the proxy does not know CONNECT, or not in HTTP/1.1
//   other 4xx          acces; 400 is `proto`
//   anything else      proto; redirections too, RFC 9110 has none for CONNECT
#include <cstddef>
#include <optional>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/net/secret.h"
#include "policy/address.h"

namespace wasi_netd::net {

// With Basic credentials (RFC 7617) when there is a user. `inval`: see check_target. `io`: the user has a colon, which
// Basic cannot carry, or a control character.
Result<Secret> connect_request(const policy::Endpoint& target, std::string_view user, std::string_view password);

class ConnectReply {
 public:
  // For the head of the answer and the 1xx answers before it together, line ends included.
  static constexpr size_t kMaxHead = 16 * 1024;
  static constexpr size_t kMaxLines = 128;

  explicit ConnectReply(bool authenticated) : authenticated_(authenticated) {}

  // The answer as far as it has come, from its first byte on each time. The size of the head once the proxy has said
  // 2xx: what follows it belongs to the tunnel. Empty: there must be more. An answer that is none is refused at the
  // first byte that shows it, a refusal is told at the end of its status line.
  // `msgsize`: over a bound above. `proto`: not HTTP/1, or a line that is no header field; lines may end in LF alone
  // (RFC 9112 section 2.2), folded ones are refused (section 5.2).
  Result<std::optional<size_t>> look(std::string_view all);

 private:
  Status take_line(std::string_view line);
  Status take_status_line(std::string_view line);

  const bool authenticated_;
  size_t line_ = 0;     // where the line being looked at begins
  size_t scanned_ = 0;  // no line ends before this
  size_t lines_ = 0;
  int status_ = 0;  // of the head being read; 0: its first line is to come
  bool complete_ = false;
};

}  // namespace wasi_netd::net
