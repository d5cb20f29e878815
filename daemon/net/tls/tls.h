#pragma once
// TLS 1.2 and 1.3 over any Connection of this layer: TCP, a Unix stream, a proxy's tunnel, another TLS connection.
//
// A TlsContext is made once from the `tls:` section of a protocol and held by shared_ptr; it and all that is made with
// it belong to one loop's thread. What tls_connect() and tls_accept() return is a Connection with one Stream that keeps
// every contract of net.h:
//   - shutdown_write() sends close_notify behind what was written; reading goes on for as long as the peer sends, and
//     writing goes on after the peer's close_notify (RFC 8446 6.1).
//   - An end of the inner stream without close_notify is `connreset`, as is a reset: never an orderly end.
//   - A fatal alert or a record that breaks the protocol is `connaborted` to the reader, with OpenSSL's reason. With
//     TLS 1.3 that is also how a client learns that its certificate was refused: its handshake is over before the
//     server has judged it.
//   - finish() sends close_notify, then finishes the inner connection. The last share going away without finish() ends
//     the inner connection without close_notify: the peer knows that something may be missing.
//   - A written byte may wait here: at most one record, until the inner stream takes it. It is sent without a further
//     call; finish() waits for it as long as it lingers.
//
// Fixed, whatever the policy and the system's openssl.cnf say: security level 2 (112 bits: no RSA key under 2048 bits,
// no SHA-1 signature), TLS 1.2 with ECDHE and AEAD ciphers only (RFC 9325 4.2), no renegotiation, no compression, no
// early data, no resumption by clients. Names are looked for in subjectAltName only, wildcards stand for the whole
// first label (RFC 9525).
#include <memory>
#include <string>

#include "daemon/net/net.h"
#include "policy/tls.h"

namespace wasi_netd::net {

struct TlsGeneration;

class TlsContext {
 public:
  // Reads every file the policy names. The error names the file and says what is wrong with it, `inval` unless the
  // system has an errno. A key that others than its owner and group may read is used and warned about in the log.
  static Result<std::shared_ptr<TlsContext>> load(Loop, policy::Tls);
  virtual ~TlsContext() = default;

  virtual Loop loop() const = 0;
  virtual const policy::Tls& policy() const = 0;

  // What a handshake that begins now uses. Files that have changed since they were read (device, inode, size, times)
  // are read again here, all or none: a set that does not load is warned about once and the one before stays in use.
  // Connections keep what they began with. Session tickets live on over a reload, unless the new files trust other
  // client certificates (ca, crl): then, and every 12 hours, old tickets lead to a full handshake. A ticket of another
  // context never resumes anything.
  virtual std::shared_ptr<const TlsGeneration> current() = 0;

  // The most that a hostile peer can make a connection hold until its handshake is over, in bytes: a message of the
  // greatest length, and the certificates in it where the peer is asked for any. Connection::memory() says it of one
  // that stands.
  uint64_t handshake_memory() const {
    const bool certificates =
        policy().role == policy::Tls::Role::kClient || policy().verify != policy::Tls::Verify::kNone;
    return certificates ? 640 * 1024 : 256 * 1024;
  }
};

// Completes when the server has proven that it is `target`, or with an error; then the inner connection is closed.
//   connaborted  the peer's certificate was refused, or ours by the peer; no common version or cipher; an end, a reset
//                or anything that is not TLS before the handshake was over. `detail` has OpenSSL's reason.
//   timedout     handshake_timeout has passed.
//   canceled     the inner connection was aborted meanwhile: that is how to cancel.
//   inval        a Unix target and no server_name: nothing to verify.
// `target` is what the guest asked for: a name is sent as SNI and verified, an IP address is verified against the
// iPAddress entries and not sent (RFC 6066 3). `server_name` stands in its place. When the policy lists ALPN protocols,
// a server that selects none of them is refused (`connaborted`).
Task<Result<std::shared_ptr<Connection>>> tls_connect(std::shared_ptr<TlsContext>, std::shared_ptr<Connection> inner,
                                                      Endpoint target);

// Completes when the client's handshake is over, with the errors of tls_connect(). The certificate is that of an
// identity whose names have the client's SNI, else the first. A client that offers ALPN protocols, none of them in the
// policy, is refused with no_application_protocol (RFC 7301 3.2); one that offers none is served without.
Task<Result<std::shared_ptr<Connection>>> tls_accept(std::shared_ptr<TlsContext>, std::shared_ptr<Connection> inner);

// For debugging by the operator: appends the secrets of every later connection of the process, in NSS key log format,
// to this file (mode 0600). Who can read it can read the traffic. Call it before the first context is made; off unless
// called, and no environment variable turns it on.
Status tls_log_keys(const std::string& path);

}  // namespace wasi_netd::net
