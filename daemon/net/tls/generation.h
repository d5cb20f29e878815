#pragma once
// One load of a context's files: what the handshakes that begin while it is current work with. Immutable but for ticket
// keys; shared by the context and those handshakes; one loop's thread.
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/net/tls/pem.h"
#include "policy/tls.h"

namespace wasi_netd::net {

// Identities by the names in their certificates (subjectAltName, dNSName): "www.example.com" or "*.example.com".
class TlsNames {
 public:
  void add(const TlsIdentity&);
  // Of the exact name, else of the wildcard over it; null when nobody has it. Several: keys of different kinds.
  const std::vector<const TlsIdentity*>* find(std::string_view name) const;

 private:
  std::unordered_map<std::string, std::vector<const TlsIdentity*>> by_name_;
};

struct TlsGeneration {
  Openssl<SSL_CTX> ssl;
  std::vector<TlsIdentity> identities;
  TlsNames names;
  std::string alpn;   // as it is sent: each name behind its length
  std::string trust;  // digest of ca and crl: whom this one lets in

  // Reads the files; `files` knows which, whatever comes of it. `session_context` tells this context's sessions from
  // those of others (SSL_CTX_set_session_id_context).
  static Result<std::shared_ptr<TlsGeneration>> load(const policy::Tls&, WatchedFiles& files,
                                                     std::string_view session_context);

  // A new key, unknown to tickets made before.
  void renew_ticket_key();
  void take_ticket_key_of(const TlsGeneration& before);
};

// The switch of tls_log_keys(), for new contexts.
void apply_key_log(SSL_CTX*);

}  // namespace wasi_netd::net
