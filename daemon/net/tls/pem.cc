#include "daemon/net/tls/pem.h"

#include <utility>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace wasi_netd::net {
namespace {

Error bad(const std::string& path, const std::string& why) { return Error{Errno::inval, path + ": " + why}; }

// Instead of OpenSSL's own, which asks on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Openssl<BIO> reader_of(const WatchedFiles::Content& content) {
  const std::string_view bytes = content.bytes.view();
  return Openssl<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// All blocks of one kind. The search for the next one ends with "no start line".
template <class T, class Read>
Result<std::vector<Openssl<T>>> read_all(const std::string& path, const WatchedFiles::Content& content, Read read,
                                         const char* kind) {
  ERR_clear_error();
  std::vector<Openssl<T>> found;
  const Openssl<BIO> reader = reader_of(content);
  while (T* next = read(reader.get(), nullptr, no_passphrase, nullptr)) found.emplace_back(next);
  const unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    return bad(path, take_openssl_error());
  }
  ERR_clear_error();
  if (found.empty()) return bad(path, std::string("no ") + kind + " in it");
  return found;
}

Result<Openssl<EVP_PKEY>> read_key(WatchedFiles& files, const std::string& path) {
  auto content = files.read(path);
  if (!content) return content.error();
  if ((content->mode & S_IRWXO) != 0) spdlog::warn("{}: a private key that every user may use", path);
  ERR_clear_error();
  Openssl<EVP_PKEY> key(PEM_read_bio_PrivateKey(reader_of(*content).get(), nullptr, no_passphrase, nullptr));
  if (!key) return bad(path, take_openssl_error());
  return key;
}

}  // namespace

Result<std::vector<Openssl<X509>>> read_certificates(const std::string& path, const WatchedFiles::Content& content) {
  return read_all<X509>(path, content, PEM_read_bio_X509, "certificate");
}

Result<std::vector<Openssl<X509_CRL>>> read_crls(const std::string& path, const WatchedFiles::Content& content) {
  return read_all<X509_CRL>(path, content, PEM_read_bio_X509_CRL, "revocation list");
}

Result<TlsIdentity> read_identity(WatchedFiles& files, const std::string& certificate_path,
                                  const std::string& key_path) {
  auto content = files.read(certificate_path);
  if (!content) return content.error();
  auto certificates = read_certificates(certificate_path, *content);
  if (!certificates) return certificates.error();
  auto key = read_key(files, key_path);
  if (!key) return key.error();
  TlsIdentity identity;
  identity.key = std::move(*key);
  identity.certificate = std::move(certificates->front());
  certificates->erase(certificates->begin());
  identity.chain_certificates = std::move(*certificates);
  identity.chain.reset(sk_X509_new_null());
  for (const auto& link : identity.chain_certificates) sk_X509_push(identity.chain.get(), link.get());
  if (X509_check_private_key(identity.certificate.get(), identity.key.get()) != 1) {
    return bad(key_path, "not the key of " + certificate_path + " (" + take_openssl_error() + ")");
  }
  return identity;
}

}  // namespace wasi_netd::net
