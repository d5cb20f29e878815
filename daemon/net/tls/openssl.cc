#include "daemon/net/tls/openssl.h"

#include <cstring>

#include <openssl/err.h>

namespace wasi_netd::net {

std::string take_openssl_error() {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  if (first == 0) return {};
  if (ERR_SYSTEM_ERROR(first)) return std::strerror(ERR_GET_REASON(first));
  const char* reason = ERR_reason_error_string(first);
  return reason ? reason : "OpenSSL error " + std::to_string(first);
}

}  // namespace wasi_netd::net
