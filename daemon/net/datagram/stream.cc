#include "daemon/net/datagram/stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace wasi_netd::net {
namespace {

// Without a text: it is the usual answer of a socket with nothing to do, and a text would be an allocation each time.
Error again() { return Error{Errno::again, {}}; }
bool is_again(const Result<size_t>& result) { return result.has_error() && result.error().code == Errno::again; }

}  // namespace

DatagramStream::DatagramStream(std::shared_ptr<DatagramSocket> socket, Endpoint local, Endpoint peer,
                               uint64_t queue_limit, Quota* buffers)
    : socket_(std::move(socket)),
      local_(std::move(local)),
      peer_(std::move(peer)),
      queue_(queue_limit, buffers),
      readable_(socket_->loop()) {}

void DatagramStream::take(std::string_view data, bool truncated) {
  if (read_ended_) return;
  // Whose datagram it is says the connection.
  if (queue_.push(data, policy::UnixEndpoint{}, truncated)) readable_.wake_all();
}

void DatagramStream::take_error(int error) {
  if (closed_) return;
  error_ = error;
  readable_.wake_all();
  socket_->writable().wake_all();
}

void DatagramStream::end_reading() {
  read_ended_ = true;
  readable_.wake_all();
}

void DatagramStream::end_writing() {
  write_ended_ = true;
  socket_->writable().wake_all();
}

void DatagramStream::close() {
  if (std::exchange(closed_, true)) return;
  queue_.clear();
  leave();
  readable_.wake_all();
  socket_->writable().wake_all();
}

Error DatagramStream::told(const char* what) { return system_error(*std::exchange(error_, std::nullopt), what); }

Result<size_t> DatagramStream::read_now(asio::mutable_buffer buffer) {
  if (closed_) return canceled();
  if (queue_.empty() && !read_ended_) socket_->read_now();
  if (error_) return told("read");
  if (!queue_.empty()) {
    const Datagram next = queue_.pop();
    const size_t size = std::min(next.data.size(), buffer.size());
    std::copy_n(next.data.data(), size, static_cast<char*>(buffer.data()));
    read_truncated_ = next.truncated || size < next.data.size();
    return size;
  }
  if (!read_ended_) return again();
  read_truncated_ = false;
  ended_ = true;
  return size_t{0};
}

Result<size_t> DatagramStream::write_now(asio::const_buffer buffer) {
  const std::array<std::string_view, 1> one = {
      std::string_view(static_cast<const char*>(buffer.data()), buffer.size())};
  const auto sent = write_batch_now(one);
  if (!sent) return sent.error();
  return buffer.size();
}

Result<size_t> DatagramStream::write_batch_now(std::span<const std::string_view> datagrams) {
  if (closed_) return canceled();
  const auto too_long = std::ranges::find_if(datagrams, [](std::string_view one) { return one.size() > kMaxDatagram; });
  const auto prefix = datagrams.first(static_cast<size_t>(too_long - datagrams.begin()));
  if (prefix.empty() && !datagrams.empty()) return system_error(EMSGSIZE, "write");
  if (error_) return told("write");
  if (write_ended_) return system_error(EPIPE, "write");
  if (prefix.empty()) return size_t{0};
  const SendOutcome out = send(prefix);
  if (out.sent > 0) return out.sent;
  if (out.error == EAGAIN) return again();
  return system_error(out.error, "write");
}

Task<Result<size_t>> DatagramStream::read_some(asio::mutable_buffer buffer) {
  return read_task(shared_from_this(), buffer);
}
Task<Result<size_t>> DatagramStream::read_task(Self self, asio::mutable_buffer buffer) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    Result<size_t> now = self->read_now(buffer);
    if (!is_again(now)) co_return now;
    Status ready = co_await readable_task(self, cancels);
    if (!ready) co_return ready.error();
  }
}

Task<Result<size_t>> DatagramStream::write_some(asio::const_buffer buffer) {
  return write_task(shared_from_this(), buffer);
}
Task<Result<size_t>> DatagramStream::write_task(Self self, asio::const_buffer buffer) {
  const uint64_t cancels = self->cancels_;
  for (;;) {
    Result<size_t> now = self->write_now(buffer);
    if (!is_again(now)) co_return now;
    Status ready = co_await writable_task(self, cancels);
    if (!ready) co_return ready.error();
  }
}

Task<Status> DatagramStream::wait_readable() { return readable_task(shared_from_this(), cancels_); }
Task<Status> DatagramStream::readable_task(Self self, uint64_t cancels) {
  for (;;) {
    if (self->closed_ || self->cancels_ != cancels) co_return canceled();
    if (self->error_ || self->read_ended_ || !self->queue_.empty()) co_return Status();
    (void)co_await self->readable_.wait();
  }
}

Task<Status> DatagramStream::wait_writable() { return writable_task(shared_from_this(), cancels_); }
Task<Status> DatagramStream::writable_task(Self self, uint64_t cancels) {
  for (;;) {
    if (self->closed_ || self->cancels_ != cancels) co_return canceled();
    if (self->error_ || self->write_ended_ || !self->socket_->full()) co_return Status();
    (void)co_await self->socket_->writable().wait();
  }
}

void DatagramStream::cancel() {
  if (closed_) return;
  ++cancels_;
  readable_.wake_all();
  socket_->writable().wake_all();
}

Status DatagramStream::shutdown_write() {
  if (closed_) return canceled();
  end_writing();
  return Status();
}

Status DatagramStream::shutdown_read() {
  if (closed_) return canceled();
  if (read_ended_) return Status();
  stop_reading();
  end_reading();
  return Status();
}

Result<std::shared_ptr<Stream>> DatagramStream::take_stream() {
  if (std::exchange(stream_taken_, true)) return Error{Errno::notsup, "this transport has one stream"};
  return std::shared_ptr<Stream>(shared_from_this());
}

Status DatagramStream::set_option(Option option, uint32_t value) {
  if (closed_) return canceled();
  return socket_->set_option(option, value);
}

Result<uint32_t> DatagramStream::get_option(Option option) const {
  if (closed_) return canceled();
  return socket_->get_option(option);
}

Task<void> DatagramStream::finish(std::chrono::milliseconds) { return finish_task(shared_from_this()); }
Task<void> DatagramStream::finish_task(Self self) {
  self->close();
  co_return;
}

}  // namespace wasi_netd::net
