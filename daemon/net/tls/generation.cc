#include "daemon/net/tls/generation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace wasi_netd::net {
namespace {

// RFC 9325 4.2. TLS 1.3's own suites are all of this kind.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr int kSecurityLevel = 2;
constexpr int kDeepestChain = 10;
constexpr long kLargestChain = 32 * 1024;     // of a peer's certificates, in bytes
constexpr long kTicketSeconds = 2 * 60 * 60;  // for how long a session can be resumed
constexpr size_t kTicketKey = 80;             // as OpenSSL takes it: a name, an HMAC key, an AES key

Error failed(const std::string& what) { return Error{Errno::inval, what + ": " + take_openssl_error()}; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string alpn_wire_form(const std::vector<std::string>& protocols) {
  std::string out;
  for (const auto& protocol : protocols) {
    out += static_cast<char>(protocol.size());
    out += protocol;
  }
  return out;
}

// SSL_CTX_set_cert_cb: the certificate for the name the client asked for. None was set before but the first identity's.
int choose_identity(SSL* ssl, void* argument) {
  const auto& generation = *static_cast<const TlsGeneration*>(argument);
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const auto* found = asked ? generation.names.find(asked) : nullptr;
  if (!found) return 1;
  SSL_certs_clear(ssl);
  return std::all_of(found->begin(), found->end(), [ssl](const TlsIdentity* each) {
    return SSL_use_cert_and_key(ssl, each->certificate.get(), each->key.get(), each->chain.get(), 1) == 1;
  });
}

// SSL_CTX_set_alpn_select_cb: the first of ours that the client offers.
int choose_alpn(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                unsigned offered_size, void* argument) {
  const std::string& ours = static_cast<const TlsGeneration*>(argument)->alpn;
  unsigned char* selected = nullptr;
  const int outcome = SSL_select_next_proto(&selected, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                            static_cast<unsigned>(ours.size()), offered, offered_size);
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

// The same for every context. SSL_CTX_new has applied what openssl.cnf says; all that matters is set again.
Status set_protocol(SSL_CTX* ssl, const policy::Tls& policy) {
  const bool only_13 = policy.min_version == policy::Tls::Version::kTls13;
  SSL_CTX_set_security_level(ssl, kSecurityLevel);
  SSL_CTX_clear_options(ssl, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT |
                                 SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TLSv1_2 |
                                 SSL_OP_NO_TLSv1_3 | SSL_OP_NO_TICKET);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_read_ahead(ssl, 0);  // StreamBio does that, and counts records
  SSL_CTX_set_max_early_data(ssl, 0);
  SSL_CTX_set_max_cert_list(ssl, kLargestChain);
  SSL_CTX_set_timeout(ssl, kTicketSeconds);
  // Servers keep no sessions, they give tickets; clients make a full handshake each time, so that whoever the server is
  // now has been verified now.
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(ssl, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ssl, 0) != 1 || SSL_CTX_set_cipher_list(ssl, kTls12Ciphers) != 1) {
    return failed("TLS versions and ciphers");
  }
  return Status();
}

// Whom to believe. CRLs are asked for every certificate of a chain: an issuer whose list is not there, or is out of
// date, vouches for nobody.
Result<std::string> set_trust(SSL_CTX* ssl, const policy::Tls& policy, WatchedFiles& files) {
  using Role = policy::Tls::Role;
  using Verify = policy::Tls::Verify;
  std::string trust;
  X509_STORE* store = SSL_CTX_get_cert_store(ssl);
  SSL_CTX_set_verify_depth(ssl, kDeepestChain);
  if (policy.role == Role::kClient) {
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  } else if (policy.verify != Verify::kNone) {
    if (policy.ca.empty()) return Error{Errno::inval, "a server that verifies its clients needs a ca"};
    const int if_none = policy.verify == Verify::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | if_none, nullptr);
  }
  auto add_digest = [&trust](std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
    trust.append(reinterpret_cast<const char*>(digest.data()), size);
  };
  if (!policy.ca.empty()) {
    auto content = files.read(policy.ca);
    if (!content) return content.error();
    auto roots = read_certificates(policy.ca, *content);
    if (!roots) return roots.error();
    for (const auto& root : *roots) {
      // A server names them to its clients.
      const bool named = policy.role == Role::kClient || SSL_CTX_add_client_CA(ssl, root.get()) == 1;
      if (!named || X509_STORE_add_cert(store, root.get()) != 1) return failed(policy.ca);
    }
    add_digest(content->bytes.view());
  } else if (policy.role == Role::kClient && SSL_CTX_set_default_verify_paths(ssl) != 1) {
    return failed("the system's certificates");
  }
  if (!policy.crl.empty()) {
    auto content = files.read(policy.crl);
    if (!content) return content.error();
    auto lists = read_crls(policy.crl, *content);
    if (!lists) return lists.error();
    for (const auto& list : *lists) {
      if (X509_STORE_add_crl(store, list.get()) != 1) return failed(policy.crl);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    add_digest(content->bytes.view());
  }
  return trust;
}

// The first identity last: it stays. The others are tried because OpenSSL refuses weak ones.
Status set_identities(TlsGeneration& generation, const policy::Tls& policy, WatchedFiles& files) {
  if (policy.role == policy::Tls::Role::kServer && policy.identities.empty()) {
    return Error{Errno::inval, "a server needs a certificate"};
  }
  for (const auto& paths : policy.identities) {
    auto identity = read_identity(files, paths.certificate, paths.key);
    if (!identity) return identity.error();
    generation.identities.push_back(std::move(*identity));
  }
  const Openssl<SSL> trial(SSL_new(generation.ssl.get()));
  for (size_t i = generation.identities.size(); i-- > 0;) {
    const TlsIdentity& each = generation.identities[i];
    auto* of = each.certificate.get();
    const bool fits = i == 0
                          ? SSL_CTX_use_cert_and_key(generation.ssl.get(), of, each.key.get(), each.chain.get(), 1) == 1
                          : SSL_use_cert_and_key(trial.get(), of, each.key.get(), each.chain.get(), 1) == 1;
    if (!fits) return failed(policy.identities[i].certificate);
  }
  for (const auto& identity : generation.identities) generation.names.add(identity);
  return Status();
}

}  // namespace

void TlsNames::add(const TlsIdentity& identity) {
  const Openssl<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(identity.certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    auto& of_name = by_name_[lower({text, static_cast<size_t>(ASN1_STRING_length(name->d.dNSName))})];
    if (of_name.empty() || of_name.back() != &identity) of_name.push_back(&identity);
  }
}

const std::vector<const TlsIdentity*>* TlsNames::find(std::string_view name) const {
  const std::string key = lower(name);
  auto found = by_name_.find(key);
  const size_t dot = key.find('.');
  if (found == by_name_.end() && dot != std::string::npos) found = by_name_.find("*" + key.substr(dot));
  return found == by_name_.end() ? nullptr : &found->second;
}

Result<std::shared_ptr<TlsGeneration>> TlsGeneration::load(const policy::Tls& policy, WatchedFiles& files,
                                                           std::string_view session_context) {
  const bool server = policy.role == policy::Tls::Role::kServer;
  auto generation = std::make_shared<TlsGeneration>();
  ERR_clear_error();
  generation->ssl.reset(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* ssl = generation->ssl.get();
  if (!ssl) return failed("TLS context");
  if (auto set = set_protocol(ssl, policy); !set) return set.error();
  auto trust = set_trust(ssl, policy, files);
  if (!trust) return trust.error();
  generation->trust = std::move(*trust);
  if (auto set = set_identities(*generation, policy, files); !set) return set.error();
  generation->alpn = alpn_wire_form(policy.alpn);
  const auto* alpn = reinterpret_cast<const unsigned char*>(generation->alpn.data());
  const auto alpn_size = static_cast<unsigned>(generation->alpn.size());
  if (server) {
    SSL_CTX_set_cert_cb(ssl, choose_identity, generation.get());
    if (alpn_size > 0) SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, generation.get());
  } else if (alpn_size > 0 && SSL_CTX_set_alpn_protos(ssl, alpn, alpn_size) != 0) {
    return failed("ALPN");
  }
  if (SSL_CTX_set_session_id_context(ssl, reinterpret_cast<const unsigned char*>(session_context.data()),
                                     static_cast<unsigned>(session_context.size())) != 1) {
    return failed("session context");
  }
  apply_key_log(ssl);
  return generation;
}

void TlsGeneration::renew_ticket_key() {
  std::array<unsigned char, kTicketKey> key{};
  const bool made = RAND_priv_bytes(key.data(), key.size()) == 1 &&
                    SSL_CTX_set_tlsext_ticket_keys(ssl.get(), key.data(), key.size()) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  WASI_NETD_CHECK(made, take_openssl_error());
}

void TlsGeneration::take_ticket_key_of(const TlsGeneration& before) {
  std::array<unsigned char, kTicketKey> key{};
  const bool taken = SSL_CTX_get_tlsext_ticket_keys(before.ssl.get(), key.data(), key.size()) == 1 &&
                     SSL_CTX_set_tlsext_ticket_keys(ssl.get(), key.data(), key.size()) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  WASI_NETD_CHECK(taken, take_openssl_error());
}

}  // namespace wasi_netd::net
