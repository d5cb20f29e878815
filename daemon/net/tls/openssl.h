#pragma once
// OpenSSL's objects with one owner, and its errors as text. Any thread; the error queue is the calling thread's.
#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace wasi_netd::net {

struct OpensslFree {
  void operator()(BIO* object) const { BIO_free_all(object); }
  void operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
  void operator()(SSL* object) const { SSL_free(object); }
  void operator()(SSL_CTX* object) const { SSL_CTX_free(object); }
  void operator()(X509* object) const { X509_free(object); }
  void operator()(X509_CRL* object) const { X509_CRL_free(object); }
  void operator()(GENERAL_NAMES* object) const { GENERAL_NAMES_free(object); }
  // The stack, not what lies on it.
  void operator()(STACK_OF(X509) * object) const { sk_X509_free(object); }
};
template <class T>
using Openssl = std::unique_ptr<T, OpensslFree>;

// The reason of the first error that TLS put into the queue, else of the first one, which is the cause of those behind
// it; empties the queue. Empty when there is none.
std::string take_openssl_error();

}  // namespace wasi_netd::net
