// tls_connect and tls_accept: what is particular to either side of a handshake.
#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "daemon/net/tls/generation.h"
#include "daemon/net/tls/stream.h"
#include "daemon/net/tls/tls.h"
#include "policy/printable.h"

namespace wasi_netd::net {
namespace {

// Who the server has to be.
struct ServerName {
  std::optional<policy::IpAddress> ip;
  std::string name;  // else
  std::string text() const { return ip ? policy::to_string(*ip) : name; }
};

Result<ServerName> server_name(const policy::Tls& policy, const Endpoint& target) {
  if (!policy.server_name.empty()) return ServerName{policy::parse_ip(policy.server_name), policy.server_name};
  if (const auto* name = std::get_if<policy::NameEndpoint>(&target)) return ServerName{std::nullopt, name->name};
  if (const auto* ip = std::get_if<policy::IpEndpoint>(&target)) return ServerName{ip->address, {}};
  return Error{Errno::inval, "TLS: a Unix address names no server: server_name is needed"};
}

// Verifies `server`, and asks for it.
bool expect_server(SSL* ssl, const ServerName& server) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (server.ip) {
    const size_t size = server.ip->family == policy::Family::kIpv4 ? 4 : 16;
    return X509_VERIFY_PARAM_set1_ip(parameters, server.ip->bytes.data(), size) == 1;
  }
  return X509_VERIFY_PARAM_set1_host(parameters, server.name.data(), server.name.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl, server.name.c_str()) == 1;
}

std::string selected_alpn(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

// RFC 4514, control characters escaped; its first alternative name where a certificate has no subject (RFC 5280
// 4.1.2.6).
std::string subject_of(const X509* certificate) {
  const Openssl<BIO> text(BIO_new(BIO_s_mem()));
  if (X509_NAME_entry_count(X509_get_subject_name(certificate)) > 0) {
    X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  } else {
    const Openssl<GENERAL_NAMES> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    if (sk_GENERAL_NAME_num(names.get()) > 0) {
      GENERAL_NAME_print(text.get(), sk_GENERAL_NAME_value(names.get(), 0));
    }
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  const std::string_view subject(bytes, static_cast<size_t>(size));
  // GENERAL_NAME_print passes any byte through: a line break would forge a line of what guests are told, and what is
  // not UTF-8 would break the message that tells it.
  return policy::printable(subject);
}

ConnectionInfo info_of(const SSL* ssl, std::string peer_name) {
  return {selected_alpn(ssl), SSL_get_version(ssl), SSL_get_cipher_name(ssl), std::move(peer_name)};
}

Result<std::shared_ptr<TlsStream>> make_stream(TlsContext& context, const TlsGeneration& generation,
                                               std::shared_ptr<Connection> inner) {
  auto raw = inner->take_stream();
  if (!raw) return raw.error();
  ERR_clear_error();
  Openssl<SSL> ssl(SSL_new(generation.ssl.get()));
  if (!ssl) return Error{Errno::nomem, "TLS: " + take_openssl_error()};
  return std::make_shared<TlsStream>(context.loop(), std::move(ssl), std::move(inner), std::move(*raw));
}

}  // namespace

Task<Result<std::shared_ptr<Connection>>> tls_connect(std::shared_ptr<TlsContext> context,
                                                      std::shared_ptr<Connection> inner, Endpoint target) {
  const policy::Tls& policy = context->policy();
  WASI_NETD_CHECK(policy.role == policy::Tls::Role::kClient, "a server's TLS context cannot connect");
  const std::shared_ptr<const TlsGeneration> generation = context->current();
  const Result<ServerName> server = server_name(policy, target);
  if (!server) {
    inner->abort();
    co_return server.error();
  }
  auto stream = make_stream(*context, *generation, inner);
  if (!stream || !expect_server((*stream)->ssl(), *server)) {
    inner->abort();
    if (!stream) co_return stream.error();
    co_return Error{Errno::inval, "TLS: not a server's name: " + server->text()};
  }
  SSL_set_connect_state((*stream)->ssl());
  const Status done = co_await (*stream)->handshake(policy.handshake_timeout);
  if (!done) co_return done.error();
  ConnectionInfo info = info_of((*stream)->ssl(), server->text());
  if (!policy.alpn.empty() && std::find(policy.alpn.begin(), policy.alpn.end(), info.alpn) == policy.alpn.end()) {
    inner->abort();
    const std::string what = info.alpn.empty() ? "none of our protocols" : "a protocol that was not offered";
    co_return Error{Errno::connaborted, "TLS: ALPN: the server selected " + what};
  }
  (*stream)->set_info(std::move(info));
  std::shared_ptr<Connection> connection = std::move(*stream);
  co_return connection;
}

Task<Result<std::shared_ptr<Connection>>> tls_accept(std::shared_ptr<TlsContext> context,
                                                     std::shared_ptr<Connection> inner) {
  const policy::Tls& policy = context->policy();
  WASI_NETD_CHECK(policy.role == policy::Tls::Role::kServer, "a client's TLS context cannot accept");
  // Its callbacks are used until the handshake is over.
  const std::shared_ptr<const TlsGeneration> generation = context->current();
  auto stream = make_stream(*context, *generation, inner);
  if (!stream) {
    inner->abort();
    co_return stream.error();
  }
  SSL* ssl = (*stream)->ssl();
  SSL_set_accept_state(ssl);
  const Status done = co_await (*stream)->handshake(policy.handshake_timeout);
  if (!done) co_return done.error();
  const X509* client = SSL_get0_peer_certificate(ssl);
  std::string peer_name;
  if (client) peer_name = subject_of(client);
  (*stream)->set_info(info_of(ssl, std::move(peer_name)));
  std::shared_ptr<Connection> connection = std::move(*stream);
  co_return connection;
}

}  // namespace wasi_netd::net
