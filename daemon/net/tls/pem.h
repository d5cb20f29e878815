#pragma once
// What a context's PEM files hold. Errors name the file. One loop's thread.
#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/net/tls/files.h"
#include "daemon/net/tls/openssl.h"

namespace wasi_netd::net {

// A certificate with its key and what leads from it towards the root.
struct TlsIdentity {
  Openssl<X509> certificate;
  std::vector<Openssl<X509>> chain_certificates;
  Openssl<STACK_OF(X509)> chain;  // the same, as OpenSSL wants it
  Openssl<EVP_PKEY> key;
};

// At least one of each. Other kinds of PEM blocks in the file are passed over.
Result<std::vector<Openssl<X509>>> read_certificates(const std::string& path, const WatchedFiles::Content&);
Result<std::vector<Openssl<X509_CRL>>> read_crls(const std::string& path, const WatchedFiles::Content&);
// The key must be the certificate's, and not encrypted: nobody is there to ask for a passphrase.
Result<TlsIdentity> read_identity(WatchedFiles&, const std::string& certificate_path, const std::string& key_path);

}  // namespace wasi_netd::net
