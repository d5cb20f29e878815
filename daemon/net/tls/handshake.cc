// How a TLS connection begins: in the time it may take, and with one reason when it does not.
#include <string>

#include "daemon/net/tls/stream.h"

namespace wasi_netd::net {

Task<Status> TlsStream::handshake(std::chrono::milliseconds timeout) {
  return handshake_task(shared_from_this(), timeout);
}
Task<Status> TlsStream::handshake_task(Self self, std::chrono::milliseconds timeout) {
  Timer limit(self->loop_);
  limit.expires_after(timeout);
  limit.async_wait([weak = self->weak_from_this()](const boost::system::error_code& ec) {
    const Self stream = ec ? nullptr : weak.lock();
    if (!stream) return;
    stream->late_ = true;
    stream->disturb();
  });
  std::optional<Error> failed;
  while (!failed) {
    if (self->late_) {
      failed = Error{Errno::timedout, "TLS: the handshake took too long"};
      break;
    }
    self->begin();
    const int result = SSL_do_handshake(self->ssl());
    const std::optional<Need> need = self->need_after(result);
    if (self->bio_.write_error() || (result != 1 && !need)) failed = self->handshake_failed();
    self->end();
    if (failed || result == 1) break;
    co_await wait_for(self, *need);
  }
  limit.cancel();
  if (!failed) co_return Status();
  self->closed_ = self->over_ = true;
  // Behind an alert the connection is closed in order, so that the peer reads it. Nobody waits for a peer that is
  // late.
  if (failed->code == Errno::connaborted) {
    co_await self->inner_->finish(std::chrono::milliseconds(0));
  } else {
    self->inner_->abort();
  }
  co_return *failed;
}

Error TlsStream::handshake_failed() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  const std::string reason = take_openssl_error();
  if (verified != X509_V_OK) {
    return Error{Errno::connaborted,
                 std::string("TLS: the peer's certificate is refused: ") + X509_verify_cert_error_string(verified)};
  }
  const std::optional<Error>& raw = bio_.read_error() ? bio_.read_error() : bio_.write_error();
  if (raw && raw->code != Errno::connreset && raw->code != Errno::pipe) return *raw;
  if (raw) return Error{Errno::connaborted, "TLS: the peer reset the connection during the handshake"};
  if (bio_.ended()) return Error{Errno::connaborted, "TLS: the peer ended the connection during the handshake"};
  return Error{Errno::connaborted, "TLS: " + reason};
}

}  // namespace wasi_netd::net
