#include "daemon/net/secret.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "daemon/base/error.h"

namespace wasi_netd::net {

Secret::~Secret() {
  if (bytes_) OPENSSL_cleanse(bytes_.get(), capacity_);
}

void Secret::append(std::string_view bytes) {
  WASI_NETD_CHECK(bytes.size() <= capacity_ - size_, "room in a secret");
  std::copy(bytes.begin(), bytes.end(), bytes_.get() + size_);
  size_ += bytes.size();
}

void Secret::append_base64(std::string_view bytes) {
  WASI_NETD_CHECK(base64_size(bytes.size()) <= capacity_ - size_, "room in a secret");
  auto* out = reinterpret_cast<unsigned char*>(bytes_.get() + size_);
  const auto* in = reinterpret_cast<const unsigned char*>(bytes.data());
  size_ += static_cast<size_t>(EVP_EncodeBlock(out, in, static_cast<int>(bytes.size())));
}

ssize_t Secret::read_from(int fd) {
  ssize_t n = -1;
  do {
    n = ::read(fd, bytes_.get() + size_, capacity_ - size_);
  } while (n < 0 && errno == EINTR);
  if (n > 0) size_ += static_cast<size_t>(n);
  return n;
}

}  // namespace wasi_netd::net
