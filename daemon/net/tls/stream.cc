#include "daemon/net/tls/stream.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <openssl/err.h>

namespace wasi_netd::net {
namespace {

Error again() { return Error{Errno::again, {}}; }
bool is_again(const Result<size_t>& result) { return result.has_error() && result.error().code == Errno::again; }
Error pipe_error() { return Error{Errno::pipe, "write: the write half has ended"}; }

}  // namespace

Task<void> Changes::next() {
  Event event(loop_);
  waiting_.push_back(&event);
  co_await event.wait();
  std::erase(waiting_, &event);
}

TlsStream::TlsStream(Loop loop, Openssl<SSL> ssl, std::shared_ptr<Connection> inner, std::shared_ptr<Stream> raw)
    : loop_(loop), inner_(std::move(inner)), raw_(std::move(raw)), bio_(raw_), ssl_(std::move(ssl)), changes_(loop) {
  bio_.attach(ssl_.get());
}

TlsStream::~TlsStream() {
  if (sending_) raw_->cancel();  // send_task() finds nobody and lets go of the stream
}

void TlsStream::begin() {
  ERR_clear_error();
  bio_.begin();
}

void TlsStream::end() {
  if (bio_.has_output() && !std::exchange(sending_, true)) {
    asio::co_spawn(loop_, send_task(weak_from_this(), raw_), asio::detached);
  }
  if (bio_.took_input() && input_waiters_ > 0) raw_->cancel();
}

Task<void> TlsStream::send_task(std::weak_ptr<TlsStream> weak, std::shared_ptr<Stream> raw) {
  for (;;) {
    (void)co_await raw->wait_writable();
    const Self self = weak.lock();
    if (!self) co_return;
    self->bio_.flush();
    if (self->bio_.has_output()) continue;
    self->sending_ = false;
    self->changes_.tell();
    co_return;
  }
}

std::optional<TlsStream::Need> TlsStream::need_after(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return bio_.paused() ? Need::kTurn : Need::kInput;
    case SSL_ERROR_WANT_WRITE:
      return Need::kOutput;
    default:
      return std::nullopt;
  }
}

Task<void> TlsStream::wait_for(Self self, Need need) {
  if (need == Need::kInput) {
    ++self->input_waiters_;
    (void)co_await self->raw_->wait_readable();
    --self->input_waiters_;
  } else if (need == Need::kOutput && self->bio_.has_output()) {
    co_await self->changes_.next();
  } else {
    co_await asio::post(self->loop_, asio::deferred);
  }
}

Result<size_t> TlsStream::try_read(asio::mutable_buffer buffer, bool take, Need& need) {
  if (closed_) return canceled();
  if (read_ended_ || buffer.size() == 0) return size_t{0};
  if (failure_) return *failure_;
  begin();
  size_t n = 0;
  const int result = take ? SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &n)
                          : SSL_peek_ex(ssl_.get(), buffer.data(), buffer.size(), &n);
  Result<size_t> outcome = n;
  if (result != 1) {
    if (const auto needed = need_after(result)) {
      need = *needed;
      outcome = again();
    } else {
      outcome = read_failed(result);
    }
  }
  if (close_asked_ && !close_sent_) (void)send_close();
  end();
  return outcome;
}

Result<size_t> TlsStream::read_failed(int result) {
  const bool ended = SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN;
  if (ended || (bio_.ended() && read_shut_)) {
    read_ended_ = true;
    disturb();
    return size_t{0};
  }
  if (bio_.ended()) {
    break_off(Error{Errno::connreset, "TLS: the peer ended without close_notify"});
  } else if (!bio_.read_error()) {
    break_off(Error{Errno::connaborted, "TLS: " + take_openssl_error()});
  } else if (bio_.read_error()->code == Errno::canceled) {
    return canceled();  // somebody closed the inner connection
  } else {
    break_off(*bio_.read_error());
  }
  return *failure_;
}

void TlsStream::break_off(Error error) {
  failure_ = std::move(error);
  write_ended_ = true;
  disturb();
}

Result<size_t> TlsStream::try_write(asio::const_buffer buffer, Need& need) {
  if (closed_) return canceled();
  if (write_ended_) return pipe_error();
  if (buffer.size() == 0) return size_t{0};
  if (bio_.has_output()) bio_.flush();
  begin();
  size_t total = 0;
  Result<size_t> outcome = again();
  need = Need::kOutput;
  while (total < buffer.size() && !bio_.has_output() && !bio_.write_error()) {
    size_t n = 0;
    const char* from = static_cast<const char*>(buffer.data()) + total;
    const int result = SSL_write_ex(ssl_.get(), from, std::min(kRecord, buffer.size() - total), &n);
    total += n;
    if (result == 1) continue;
    // A peer that began a message after the handshake, a ticket say, has to send all of it first.
    if (const auto needed = need_after(result)) {
      need = *needed;
    } else {
      (void)read_failed(result);
      outcome = pipe_error();
    }
    break;
  }
  if (bio_.write_error()) {
    outcome = write_failed(*bio_.write_error());
  } else if (total > 0) {
    outcome = total;
  }
  end();
  return outcome;
}

Result<size_t> TlsStream::write_failed(const Error& error) {
  if (error.code == Errno::canceled) return canceled();
  write_ended_ = true;
  disturb();
  return error;
}

Result<size_t> TlsStream::read_now(asio::mutable_buffer buffer) {
  Need unused{};
  return try_read(buffer, true, unused);
}
Result<size_t> TlsStream::write_now(asio::const_buffer buffer) {
  Need unused{};
  return try_write(buffer, unused);
}

Task<Result<size_t>> TlsStream::read_some(asio::mutable_buffer buffer) { return read_task(shared_from_this(), buffer); }
Task<Result<size_t>> TlsStream::read_task(Self self, asio::mutable_buffer buffer) {
  const uint64_t cancels = self->cancels_;
  const bool decided = self->closed_ || self->read_ended_ || self->failure_ || buffer.size() == 0;
  Need need = Need::kInput;
  if (self->is_turn_over()) {
    need = Need::kTurn;
    co_await wait_for(self, need);
  } else if (!decided && SSL_has_pending(self->ssl()) == 0 && !self->bio_.is_input_likely()) {
    co_await wait_for(self, need);
  }
  for (;;) {
    if (self->cancels_ != cancels && !self->closed_) co_return canceled();
    Result<size_t> now = self->try_read(buffer, true, need);
    if (!is_again(now)) co_return now;
    co_await wait_for(self, need);
  }
}

Task<Result<size_t>> TlsStream::write_some(asio::const_buffer buffer) { return write_task(shared_from_this(), buffer); }
Task<Result<size_t>> TlsStream::write_task(Self self, asio::const_buffer buffer) {
  const uint64_t cancels = self->cancels_;
  Need need = Need::kTurn;
  if (self->is_turn_over()) co_await wait_for(self, need);
  for (;;) {
    if (self->cancels_ != cancels && !self->closed_) co_return canceled();
    Result<size_t> now = self->try_write(buffer, need);
    if (!is_again(now)) co_return now;
    co_await wait_for(self, need);
  }
}

Task<Status> TlsStream::wait_readable() { return readable_task(shared_from_this()); }
Task<Status> TlsStream::readable_task(Self self) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    char byte = 0;
    asio::mutable_buffer buffer(&byte, 1);
    Need need{};
    const Result<size_t> now = self->try_read(buffer, false, need);
    if (!is_again(now)) {
      if (now.has_error() && now.error().code == Errno::canceled) co_return canceled();
      co_return Status();
    }
    co_await wait_for(self, need);
    if (self->cancels_ != cancels) co_return canceled();
  }
}

Task<Status> TlsStream::wait_writable() { return writable_task(shared_from_this()); }
Task<Status> TlsStream::writable_task(Self self) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    if (self->closed_) co_return canceled();
    if (self->write_ended_) co_return Status();
    Need need = Need::kOutput;
    if (!self->bio_.has_output()) {
      // A message that the peer has begun holds up records of ours; looking for bytes goes on with it.
      if (SSL_in_init(self->ssl()) == 0) co_return Status();
      char byte = 0;
      asio::mutable_buffer buffer(&byte, 1);
      const Result<size_t> now = self->try_read(buffer, false, need);
      if (!is_again(now)) co_return Status();
    }
    co_await wait_for(self, need);
    if (self->cancels_ != cancels) co_return canceled();
  }
}

void TlsStream::cancel() {
  if (closed_) return;
  ++cancels_;
  disturb();
}

void TlsStream::disturb() {
  raw_->cancel();
  changes_.tell();
}

Status TlsStream::shutdown_write() {
  if (closed_) return canceled();
  if (failure_ || bio_.write_error()) return Error{Errno::notconn, "shutdown: the connection is broken"};
  if (std::exchange(close_asked_, true)) return Status();
  write_ended_ = true;
  disturb();
  begin();
  Status sent = send_close();
  end();
  return sent;
}

// Once: a second SSL_shutdown() would read. In the middle of a message of the peer there is no sending; try_read() sees
// to it then.
Status TlsStream::send_close() {
  if (SSL_in_init(ssl_.get()) != 0) return Status();
  close_sent_ = true;
  if (SSL_shutdown(ssl_.get()) < 0) return Error{Errno::io, "TLS: " + take_openssl_error()};
  if (bio_.write_error()) return Error{Errno::notconn, "shutdown: the connection is broken"};
  return Status();
}

Status TlsStream::shutdown_read() {
  if (closed_) return canceled();
  read_shut_ = true;
  return raw_->shutdown_read();
}

Result<std::shared_ptr<Stream>> TlsStream::take_stream() {
  if (std::exchange(stream_taken_, true)) return Error{Errno::notsup, "this transport has one stream"};
  return std::shared_ptr<Stream>(shared_from_this());
}

uint64_t TlsStream::memory() const {
  // Measured with OpenSSL 3.0: the SSL object, its keys and one record each way; then each certificate of the peer,
  // which is kept parsed.
  constexpr uint64_t kWithoutCertificates = 64 * 1024;
  constexpr uint64_t kCertificate = 5 * 1024;
  uint64_t bytes = inner_->memory() + kWithoutCertificates;
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    bytes += kCertificate + 2 * static_cast<uint64_t>(std::max(0, i2d_X509(sk_X509_value(chain, i), nullptr)));
  }
  return bytes;
}

}  // namespace wasi_netd::net
