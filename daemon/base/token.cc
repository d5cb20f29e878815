#include "daemon/base/token.h"

#include <cerrno>

#include <sys/random.h>

#include "daemon/base/error.h"

namespace wasi_netd {

Token Token::make() {
  Token token;
  // getrandom of up to 256 bytes is never partial and never interrupted once the pool is ready (getrandom(2)).
  ssize_t n;
  do {
    n = getrandom(token.bytes.data(), token.bytes.size(), 0);
  } while (n < 0 && errno == EINTR);
  WASI_NETD_CHECK(n == static_cast<ssize_t>(token.bytes.size()), "getrandom");
  return token;
}

std::optional<Token> Token::parse(std::string_view raw) {
  Token token;
  if (raw.size() != token.bytes.size()) return std::nullopt;
  std::memcpy(token.bytes.data(), raw.data(), raw.size());
  return token;
}

std::string Token::label() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < 4; ++i) {
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

}  // namespace wasi_netd
