#pragma once
// The other end of a TLS connection: OpenSSL in its simplest form, blocking, on a socket, with none of the project's
// code in it. It accepts whatever the test sets up, weak and old as it may be.
//
// Calls block until the peer has acted: run them beside the loop (std::async) unless the bytes are there already.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/support/certificates.h"
#include "tests/support/native.h"

namespace wasi_netd::test {

using NativeContext = std::shared_ptr<SSL_CTX>;

struct NativeTlsSetup {
  const Issued* identity = nullptr;
  std::string trusted;  // PEM of an authority; empty: nobody is verified
  bool demand = false;  // a server: no client without a certificate
  int lowest = TLS1_2_VERSION, highest = 0;
  std::string alpn;  // the one protocol, offered or selected
};

inline NativeContext native_tls_context(bool server, const NativeTlsSetup& setup) {
  // Its callback's argument lives as long as it does.
  const auto alpn = std::make_shared<std::string>();
  if (!setup.alpn.empty()) *alpn = static_cast<char>(setup.alpn.size()) + setup.alpn;
  NativeContext context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()),
                        [alpn](SSL_CTX* made) { SSL_CTX_free(made); });
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(context.get(), setup.lowest);
  SSL_CTX_set_max_proto_version(context.get(), setup.highest);
  if (setup.identity) {
    SSL_CTX_use_certificate(context.get(), setup.identity->certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), setup.identity->key.get());
    Memory chain(BIO_new_mem_buf(setup.identity->chain.data(), static_cast<int>(setup.identity->chain.size())));
    while (X509* link = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
      SSL_CTX_add_extra_chain_cert(context.get(), link);
    }
    ERR_clear_error();
  }
  if (!setup.trusted.empty()) {
    Memory text(BIO_new_mem_buf(setup.trusted.data(), static_cast<int>(setup.trusted.size())));
    Certificate root(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | (setup.demand ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  }
  if (!setup.alpn.empty()) {
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn->data()),
                            static_cast<unsigned>(alpn->size()));
    SSL_CTX_set_alpn_select_cb(
        context.get(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char*, unsigned, void* ours) {
          const auto& name = *static_cast<const std::string*>(ours);
          *out = reinterpret_cast<const unsigned char*>(name.data()) + 1;
          *size = static_cast<unsigned char>(name.size() - 1);
          return SSL_TLSEXT_ERR_OK;
        },
        alpn.get());
  }
  return context;
}

class NativeTls {
 public:
  NativeTls() = default;
  NativeTls(NativeSocket socket, NativeContext context, bool server, const std::string& sni = "")
      : socket_(std::move(socket)), context_(std::move(context)), ssl_(SSL_new(context_.get())) {
    SSL_set_fd(ssl_.get(), socket_.fd());
    server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
    if (!sni.empty()) SSL_set_tlsext_host_name(ssl_.get(), sni.c_str());
  }
  // A layer inside `outer`.
  NativeTls(NativeTls outer, NativeContext context, bool server)
      : context_(std::move(context)),
        outer_(std::make_unique<NativeTls>(std::move(outer))),
        ssl_(SSL_new(context_.get())) {
    BIO* through = BIO_new(BIO_f_ssl());
    BIO_set_ssl(through, outer_->ssl(), BIO_NOCLOSE);
    SSL_set_bio(ssl_.get(), through, through);
    server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  }

  SSL* ssl() const { return ssl_.get(); }
  NativeSocket& socket() { return outer_ ? outer_->socket() : socket_; }

  // Empty when it succeeded, else OpenSSL's reason.
  std::string handshake() { return outcome(SSL_do_handshake(ssl())); }

  void write_all(std::string_view bytes) {
    while (!bytes.empty()) {
      size_t n = 0;
      if (SSL_write_ex(ssl(), bytes.data(), bytes.size(), &n) != 1) throw std::runtime_error("SSL_write: " + reason());
      bytes.remove_prefix(n);
    }
  }
  // Up to `count` bytes; fewer only at the end or after an error, see why().
  std::string read(size_t count) {
    std::string out(count, '\0');
    size_t have = 0, n = 0;
    int result = 1;
    while (have < count && (result = SSL_read_ex(ssl(), out.data() + have, count - have, &n)) == 1) have += n;
    if (result != 1) why_ = outcome(result);
    out.resize(have);
    return out;
  }
  std::string read_to_end() {
    std::string out;
    for (;;) {
      std::string piece = read(64 * 1024);
      out += piece;
      if (piece.size() < 64 * 1024) return out;
    }
  }
  // How the last read() ended: "close_notify", "end", an errno's text or OpenSSL's reason.
  const std::string& why() const { return why_; }

  // close_notify; the peer may go on sending.
  void shutdown_write() { SSL_shutdown(ssl()); }
  void close() { socket().close(); }  // without close_notify
  void reset() { socket().reset(); }
  // Until the peer's buffer and ours are full. Leaves a record half sent: the next write has to be the same bytes.
  size_t write_until_full() {
    const int flags = ::fcntl(socket().fd(), F_GETFL);
    ::fcntl(socket().fd(), F_SETFL, flags | O_NONBLOCK);
    size_t total = 0, n = 0;
    while (SSL_write_ex(ssl(), chunk_.data(), chunk_.size(), &n) == 1) total += n;
    ::fcntl(socket().fd(), F_SETFL, flags);
    return total;
  }
  const std::string& chunk() const { return chunk_; }

 private:
  static std::string reason() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* text = code ? ERR_reason_error_string(code) : nullptr;
    return text ? text : std::strerror(errno);
  }
  std::string outcome(int result) {
    if (result == 1) return {};
    const int kind = SSL_get_error(ssl(), result);
    if (kind == SSL_ERROR_ZERO_RETURN) return "close_notify";
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      ERR_clear_error();
      return "end";
    }
    return reason();
  }

  NativeSocket socket_;
  NativeContext context_;
  std::unique_ptr<NativeTls> outer_;
  std::unique_ptr<SSL, FreeWith<SSL_free>> ssl_;
  std::string why_;
  std::string chunk_ = std::string(16 * 1024, 'x');
};

}  // namespace wasi_netd::test
