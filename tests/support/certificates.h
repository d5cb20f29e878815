#pragma once
// Certificates made at run time with OpenSSL's library: nothing is committed, and what is wrong with one is said here.
// Elliptic curve keys unless a test wants others; serial numbers count up within the process.
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "tests/support/native.h"

namespace wasi_netd::test {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Crl = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;
using Memory = std::unique_ptr<BIO, FreeWith<BIO_free>>;

inline constexpr long kDay = 24 * 60 * 60;

inline std::string text_of(const Memory& memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}
inline std::string pem(const Certificate& certificate) {
  Memory out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  return text_of(out);
}
inline std::string pem(const Key& key) {
  Memory out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(out);
}
inline std::string pem(const Crl& crl) {
  Memory out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(out.get(), crl.get());
  return text_of(out);
}

// What a certificate says. Times are seconds from now.
struct Profile {
  std::string subject;  // its common name; empty: no subject
  std::string names;    // subjectAltName as openssl.cnf writes it: "DNS:a.example,IP:127.0.0.1"
  long from = -kDay, until = 30 * kDay;
  int rsa_bits = 0;  // 0: a P-256 key
  const char* digest = "SHA256";
  bool authority = false;
};

struct Issued {
  Certificate certificate;
  Key key;
  std::string chain;  // PEM: what leads from it towards the root
  std::string certificate_pem() const { return pem(certificate) + chain; }
};

class Authority {
 public:
  explicit Authority(const std::string& name = "Test Root") : own_(issue_by(nullptr, authority_profile(name))) {}
  // An intermediate one.
  Authority(const Authority& above, const std::string& name) : own_(above.issue(authority_profile(name))) {}

  Issued issue(const Profile& profile) const {
    Issued out = issue_by(&own_, profile);
    if (X509_check_issued(own_.certificate.get(), own_.certificate.get()) != X509_V_OK)
      out.chain = own_.certificate_pem();
    return out;
  }
  static Issued self_signed(const Profile& profile) { return issue_by(nullptr, profile); }

  std::string certificate_pem() const { return pem(own_.certificate); }
  // A list with these certificates revoked.
  std::string crl(const std::vector<const Issued*>& revoked, long from = -kDay, long until = 30 * kDay) const {
    Crl list(X509_CRL_new());
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(own_.certificate.get()));
    ASN1_TIME* time = ASN1_TIME_new();
    X509_gmtime_adj(time, from);
    X509_CRL_set1_lastUpdate(list.get(), time);
    X509_CRL_set1_nextUpdate(list.get(), X509_gmtime_adj(time, until));
    for (const Issued* each : revoked) {
      X509_REVOKED* entry = X509_REVOKED_new();
      X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(each->certificate.get()));
      X509_REVOKED_set_revocationDate(entry, X509_gmtime_adj(time, -kDay));
      X509_CRL_add0_revoked(list.get(), entry);
    }
    ASN1_TIME_free(time);
    X509_CRL_sort(list.get());
    X509_CRL_sign(list.get(), own_.key.get(), EVP_sha256());
    return pem(list);
  }

 private:
  static Profile authority_profile(const std::string& name) {
    Profile profile;
    profile.subject = name;
    profile.authority = true;
    return profile;
  }
  static void add_extension(X509* to, X509* issuer, int which, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str());
    if (!extension) throw std::runtime_error("bad extension: " + value);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static Issued issue_by(const Issued* issuer, const Profile& profile) {
    static long serial = 1000;
    Issued out;
    out.key.reset(profile.rsa_bits ? EVP_RSA_gen(static_cast<unsigned>(profile.rsa_bits)) : EVP_EC_gen("P-256"));
    out.certificate.reset(X509_new());
    X509* made = out.certificate.get();
    X509* by = issuer ? issuer->certificate.get() : made;
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), profile.from);
    X509_gmtime_adj(X509_getm_notAfter(made), profile.until);
    if (!profile.subject.empty()) {
      X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(profile.subject.c_str()), -1, -1, 0);
    }
    X509_set_issuer_name(made, X509_get_subject_name(by));
    X509_set_pubkey(made, out.key.get());
    add_extension(made, by, NID_basic_constraints, profile.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(made, by, NID_subject_key_identifier, "hash");
    if (profile.authority) add_extension(made, by, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (issuer) add_extension(made, by, NID_authority_key_identifier, "keyid:always");
    if (!profile.names.empty()) {
      add_extension(made, by, NID_subject_alt_name, (profile.subject.empty() ? "critical," : "") + profile.names);
    }
    if (X509_sign(made, issuer ? issuer->key.get() : out.key.get(), EVP_get_digestbyname(profile.digest)) == 0) {
      throw std::runtime_error("X509_sign");
    }
    return out;
  }

  Issued own_;
};

// Replaces the file as careful programs do: a new one, renamed over it.
inline void write_file(const std::string& path, const std::string& bytes, mode_t mode = 0600) {
  const std::string fresh = path + ".new";
  std::ofstream(fresh, std::ios::binary) << bytes;
  ::chmod(fresh.c_str(), mode);
  std::filesystem::rename(fresh, path);
}

}  // namespace wasi_netd::test
