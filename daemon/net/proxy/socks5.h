#pragma once
// The client's side of SOCKS5 (RFC 1928) with user and password (RFC 1929), as a pure state machine: what to send, how
// many bytes to read, what they mean. One object per connection, any thread, one at a time.
//
//   while (dialogue.to_read() > 0) { send(dialogue.to_send()); dialogue.take(read_exactly(dialogue.to_read())); }
//
// Every read is of a size that the protocol fixes, so no byte behind the last reply, which belongs to the tunnel, is
// ever read.
//
// Errors of take(); the connection is of no use after one:
//   proto   not SOCKS5: a wrong version, a method that was not offered, an unknown reply code or address type
//   acces   the proxy accepts none of the methods offered, or refuses the user and password
//   and what the reply codes of RFC 1928 section 6 say about the destination:
//   01 general failure      hostunreach   the proxy does not say why
//   02 not allowed          acces
//   03 network unreachable  netunreach
//   04 host unreachable     hostunreach
//   05 refused              connrefused
//   06 TTL expired          timedout
//   07 command              notsup
//   08 address type         afnosupport
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/net/secret.h"
#include "policy/address.h"

namespace wasi_netd::net {

class Socks5 {
 public:
  static constexpr size_t kMaxRead = 255 + 2;  // the longest address, and the port

  // With a user both "no authentication" and "user and password" are offered; the proxy chooses. Without, only the
  // first. `inval`: see check_target. `io`: user or password is not 1..255 bytes (RFC 1929 section 2).
  static Result<Socks5> begin(const policy::Endpoint& target, std::string_view user, std::string_view password);

  // Goes out before the next read; may be empty. Valid until take().
  std::string_view to_send() const;
  // Exactly so many bytes come next, kMaxRead at most. 0: the tunnel stands.
  size_t to_read() const;
  // Exactly to_read() bytes.
  Status take(std::string_view bytes);

 private:
  enum class State : uint8_t {
    kMethod,        // version, method
    kAuth,          // version, status
    kReply,         // version, reply code, reserved (ignored), address type
    kDomainLength,  // of the address in the reply
    kAddress,       // the rest of the address, and the port
    kDone,
  };
  Socks5() = default;
  Status take_method(uint8_t version, uint8_t method);
  Status take_reply(uint8_t version, uint8_t code, uint8_t address_type);

  State state_ = State::kMethod;
  std::string request_;
  Secret login_;  // empty: no authentication was offered
  size_t address_ = 0;
};

}  // namespace wasi_netd::net
