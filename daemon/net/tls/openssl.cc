#include "daemon/net/tls/openssl.h"

#include <cstring>

#include <openssl/err.h>

namespace wasi_netd::net {

std::string take_openssl_error() {
  unsigned long first = ERR_get_error();
  // What the layers below TLS say of themselves ("cipher operation failed") comes before what it means.
  for (unsigned long next = first; next != 0; next = ERR_get_error()) {
    if (ERR_GET_LIB(next) != ERR_LIB_SSL) continue;
    first = next;
    break;
  }
  ERR_clear_error();
  if (first == 0) return {};
  if (ERR_SYSTEM_ERROR(first)) return std::strerror(ERR_GET_REASON(first));
  const char* reason = ERR_reason_error_string(first);
  return reason ? reason : "OpenSSL error " + std::to_string(first);
}

}  // namespace wasi_netd::net
