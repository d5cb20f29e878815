#include "daemon/broker/stream.h"

#include "daemon/broker/session.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {

namespace asio = boost::asio;

Stream::Stream(std::shared_ptr<Session> session, std::shared_ptr<Connection> connection,
               std::shared_ptr<net::Stream> net)
    : Object(session, Kind::kStream),
      connection_(std::move(connection)),
      net_(std::move(net)),
      readable_(session->tenant().loop()),
      writable_(session->tenant().loop()) {}

Stream::~Stream() = default;

Error Stream::read_error(Error from_socket) const {
  // A connection that we ended tells why; its socket only knows that it was closed.
  if (connection_->state() != ConnectionState::kConnected) return connection_->error();
  return from_socket;
}

Error Stream::write_error(Error from_socket) const {
  Error error = read_error(std::move(from_socket));
  if (error.code == Errno::notconn) error.code = Errno::pipe;
  return error;
}

Status Stream::enter_transfer(const Token& handle, std::function<void()> cut) {
  if (connection_->state() != ConnectionState::kConnected) return connection_->error();
  if (in_transfer() || reading_ || writing_) return Error{Errno::busy, "stream in use"};
  transfer_ = handle;
  cut_transfer_ = std::move(cut);
  return {};
}

void Stream::leave_transfer() {
  transfer_.reset();
  cut_transfer_ = nullptr;
  close_deadline_.reset();
  net_->cancel();
}

void Stream::cut_transfer() {
  if (cut_transfer_) cut_transfer_();
}

void Stream::close_within(std::chrono::milliseconds linger) {
  if (close_deadline_) return;
  close_deadline_.emplace(session().tenant().loop(), linger);
  close_deadline_->async_wait([weak = weak_from_this(), handle = *transfer_](boost::system::error_code ec) {
    const auto self = weak.lock();
    if (ec || !self || !self->in_transfer_by(handle)) return;
    self->connection_->abort({Errno::timedout, "the peer did not take the last bytes in time"});
    self->cut_transfer();
  });
}

Task<Result<size_t>> Stream::read_some(asio::mutable_buffer buffer) {
  Result<size_t> got = co_await net_->read_some(buffer);
  if (!got) co_return read_error(got.error());
  connection_->count_in(*got);
  co_return *got;
}

Task<Result<size_t>> Stream::write_some(asio::const_buffer buffer) {
  Result<size_t> sent = co_await net_->write_some(buffer);
  if (!sent) co_return write_error(sent.error());
  connection_->count_out(*sent);
  co_return *sent;
}

Status Stream::shutdown(bool read, bool write) {
  if (connection_->state() != ConnectionState::kConnected) return connection_->error();
  if (read) {
    if (auto done = net_->shutdown_read(); !done) return done.error();
  }
  if (write) return net_->shutdown_write();
  return {};
}

Task<Status> Stream::wait_readable() { co_return co_await net_->wait_readable(); }
Task<Status> Stream::wait_writable() { co_return co_await net_->wait_writable(); }

Result<Stream::Got> Stream::receive_now(asio::mutable_buffer buffer) {
  Result<Got> got = read_now(buffer);
  if (got) connection_->count_in(got->bytes);
  return got;
}

Result<size_t> Stream::send_batch_now(std::span<const std::string_view> datagrams) {
  if (connection_->state() != ConnectionState::kConnected) return write_error(Error{Errno::pipe, {}});
  Result<size_t> sent = net_->write_batch_now(datagrams);
  if (!sent) return sent.error();
  for (size_t i = 0; i < *sent; ++i) connection_->count_out(datagrams[i].size());
  return sent;
}

bool Stream::over(const Error& error) const {
  if (connection_->state() != ConnectionState::kConnected) return true;
  switch (error.code) {
    case Errno::canceled:
    case Errno::pipe:
    case Errno::notconn:
    case Errno::badf:
      return true;
    default:
      return false;
  }
}

// Of a connection that is ending, the net layer reads and drops the rest itself.
Result<Stream::Got> Stream::read_now(asio::mutable_buffer buffer) {
  if (connection_->state() != ConnectionState::kConnected) return connection_->error();
  Result<size_t> bytes = net_->read_now(buffer);
  if (!bytes) return bytes.error();
  return Got{*bytes, *bytes == 0 && (!of_datagrams() || net_->ended()), net_->read_truncated()};
}

Result<size_t> Stream::write_now(asio::const_buffer buffer) {
  if (connection_->state() != ConnectionState::kConnected) return write_error(Error{Errno::pipe, {}});
  return net_->write_now(buffer);
}

Task<Result<Stream::Got>> Stream::read(asio::mutable_buffer buffer, bool nonblock, Call& call) {
  if (in_transfer() || reading_) co_return Error{Errno::busy, "stream in use"};
  reading_ = true;
  Result<Got> got = read_now(buffer);
  while (!got && got.error().code == Errno::again && !nonblock && !call.cancelled()) {
    ready_ &= ~kReadable;
    watch(kReadable);
    co_await readable_.wait(call);
    got = read_now(buffer);
  }
  reading_ = false;
  if (!got && got.error().code == Errno::again) {
    ready_ &= ~kReadable;
    if (!nonblock) co_return Error{Errno::canceled, "call cancelled"};
  }
  if (!got) co_return got.error();
  ready_ &= ~kReadable;  // what is left, if anything, is for the next watch to find
  connection_->count_in(got->bytes);
  co_return *got;
}

Task<Result<size_t>> Stream::write(asio::const_buffer buffer, bool nonblock, Call& call) {
  if (in_transfer() || writing_) co_return Error{Errno::busy, "stream in use"};
  if (buffer.size() == 0 && !of_datagrams()) co_return size_t{0};
  writing_ = true;
  Result<size_t> sent = write_now(buffer);
  while (!sent && sent.error().code == Errno::again && !nonblock && !call.cancelled()) {
    ready_ &= ~kWritable;
    watch(kWritable);
    co_await writable_.wait(call);
    sent = write_now(buffer);
  }
  writing_ = false;
  if (!sent && sent.error().code == Errno::again) {
    ready_ &= ~kWritable;
    if (!nonblock) co_return Error{Errno::canceled, "call cancelled"};
  }
  if (!sent) co_return sent.error();
  ready_ &= ~kWritable;
  connection_->count_out(*sent);
  co_return *sent;
}

void Stream::watch(uint32_t interest) {
  for (const uint32_t direction : {kReadable, kWritable}) {
    if ((interest & direction) == 0 || (watching_ & direction) != 0) continue;
    watching_ |= direction;
    session().tenant().spawn(run_watch(shared_from_this(), direction));
  }
}

Task<void> Stream::run_watch(std::shared_ptr<Stream> self, uint32_t direction) {
  if (direction == kReadable) {
    (void)co_await self->net_->wait_readable();
    self->readable_.wake_all();
  } else {
    (void)co_await self->net_->wait_writable();
    self->writable_.wake_all();
  }
  self->watching_ &= ~direction;
  self->ready_ |= direction;
  self->readiness_changed();
}

void Stream::last_handle_closed() { connection_->stream_released(); }

}  // namespace wasi_netd::broker
