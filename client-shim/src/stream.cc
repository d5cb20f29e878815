#include "client-shim/src/stream.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "client-shim/src/unary_call.h"

namespace wasi_netd::shim {
namespace {

size_t total(std::span<const wasi_netd_iovec> buffers) {
  size_t bytes = 0;
  for (const wasi_netd_iovec& buffer : buffers) bytes += buffer.size;
  return bytes;
}

// Takes `count` bytes off the front of `buffers`.
void consume(std::vector<wasi_netd_iovec>& buffers, size_t count) {
  for (wasi_netd_iovec& buffer : buffers) {
    const size_t n = std::min(count, buffer.size);
    buffer.data = static_cast<char*>(buffer.data) + n;
    buffer.size -= n;
    count -= n;
  }
}

}  // namespace

Stream::Stream(std::shared_ptr<Handle> handle, bool datagrams)
    : BidiCall(handle->session().waker()), handle_(std::move(handle)), queue_(datagrams) {
  const Waker::Lock guard = waker_->lock();
  handle_->queue = &queue_;
}

Stream::~Stream() {
  const Waker::Lock guard = waker_->lock();
  handle_->queue = nullptr;
}

template <class Ready>
Errno Stream::wait(Waker::Lock& lock, bool nonblock, Ready ready) {
  if (nonblock) return ready() ? err::success : err::again;
  Errno broken = err::success;
  waker_->wait(lock, [&] { return (broken = handle_->broken_while_waiting()) != err::success || ready(); });
  return broken;
}

Errno Stream::open() {
  Waker::Lock lock = waker_->lock();
  return open(lock);
}

Errno Stream::open(Waker::Lock& lock) {
  const Errno error = handle_->usable();
  if (error != err::success || !queue_.needs_call()) return error;
  if (!done()) {  // a refused call before this one: nothing more is to come of it, so it is not waited for
    lock.unlock();
    cancel();
    lock.lock();
    waker_->wait(lock, [this] { return done(); });
  }
  queue_.start();
  v1::TransferOpen& open = *request_.mutable_open();
  open.set_session(handle_->session().token());
  open.set_stream(handle_->token());
  lock.unlock();
  launch([this](grpc::ClientContext* context) {
    handle_->session().stub().async()->Transfer(context, static_cast<BidiCall*>(this));
  });
  lock.lock();
  return err::success;
}

Errno Stream::open_decided(Waker::Lock& lock) {
  Errno outcome = open(lock);
  if (outcome == err::success) outcome = wait(lock, false, [this] { return !queue_.deciding(); });
  return outcome == err::success ? queue_.take_refusal() : outcome;
}

Errno Stream::read(std::span<const wasi_netd_iovec> buffers, bool nonblock, bool peek, bool all, size_t& count,
                   bool& truncated) {
  if (queue_.datagrams()) return read_datagram(buffers, nonblock, peek, count, truncated);
  truncated = false;
  const size_t wanted = total(buffers);
  const size_t enough = all && peek && !nonblock ? std::min(wanted, StreamQueue::kChunk) : 1;
  std::vector<wasi_netd_iovec> rest;
  count = 0;
  Waker::Lock lock = waker_->lock();
  const Errno error = open(lock);
  if (error != err::success || wanted == 0) return error;
  while (true) {
    Errno outcome = wait(lock, nonblock, [&] { return queue_.queued() >= enough || queue_.settled(); });
    if (outcome == err::success) outcome = queue_.take_refusal();
    size_t got = 0;
    if (outcome == err::success) outcome = queue_.read(buffers, peek, got);
    count += got;
    advance(lock);
    if (got == 0 || peek || !all || nonblock || count == wanted) return count > 0 ? err::success : outcome;
    if (rest.empty()) rest.assign(buffers.begin(), buffers.end());
    consume(rest, got);
    buffers = rest;
  }
}

Errno Stream::read_datagram(std::span<const wasi_netd_iovec> buffers, bool nonblock, bool peek, size_t& count,
                            bool& truncated) {
  count = 0;
  Waker::Lock lock = waker_->lock();
  Errno outcome = open(lock);
  if (outcome == err::success) {
    outcome = wait(lock, nonblock, [this] { return queue_.queued() > 0 || queue_.settled(); });
  }
  if (outcome == err::success) outcome = queue_.take_refusal();
  if (outcome == err::success) outcome = queue_.read_datagram(buffers, peek, count, truncated);
  advance(lock);
  return outcome;
}

Errno Stream::write_datagram(std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count) {
  Waker::Lock lock = waker_->lock();
  Errno outcome = open_decided(lock);
  while (outcome == err::success) {
    outcome = queue_.write_datagram(buffers, count);
    advance(lock);
    if (outcome != err::again || nonblock) break;
    outcome = wait(lock, false, [this] { return queue_.poll_write().ready; });
  }
  return outcome;
}

Errno Stream::write(std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count) {
  if (queue_.datagrams()) return write_datagram(buffers, nonblock, count);
  count = 0;
  Waker::Lock lock = waker_->lock();
  Errno outcome = open_decided(lock);
  size_t index = 0;
  size_t offset = 0;  // into buffers[index]
  while (outcome == err::success) {
    // All buffers go into the queue before the next frame is cut from it.
    while (outcome == err::success && index < buffers.size()) {
      const wasi_netd_ciovec& buffer = buffers[index];
      size_t taken = 0;
      outcome = queue_.write({static_cast<const char*>(buffer.data) + offset, buffer.size - offset}, taken);
      count += taken;
      offset += taken;
      if (offset < buffer.size) continue;
      ++index;
      offset = 0;
    }
    advance(lock);
    if (outcome == err::success || (outcome == err::again && nonblock)) break;
    if (outcome == err::again) {
      outcome = wait(lock, false, [this] { return queue_.poll_write().ready; });
    }
  }
  return count > 0 ? err::success : outcome;
}

Errno Stream::shutdown(bool reading, bool writing) {
  Waker::Lock lock = waker_->lock();
  Errno outcome = open_decided(lock);
  if (outcome != err::success) return outcome;
  if (reading) queue_.stop_reading();
  if (writing) outcome = queue_.finish();
  advance(lock);
  return outcome;
}

bool Stream::narrow(Rights rights) {
  Waker::Lock lock = waker_->lock();
  if (wait(lock, false, [this] { return !queue_.deciding(); }) != err::success || !queue_.narrow(rights)) return false;
  advance(lock);
  return true;
}

bool Stream::close(Deadline deadline) {
  Waker::Lock lock = waker_->lock();
  waker_->wait(lock, deadline,
               [this] { return !queue_.deciding() || handle_->broken_while_waiting() != err::success; });
  by_rpc_ = !queue_.close();
  advance(lock);
  lock.unlock();
  if (by_rpc_) {
    cancel();  // nothing more is to come of a refused call
  } else {
    handle_->session().tell_closed(handle_->token());
  }
  return !by_rpc_;
}

void Stream::abort() {
  cancel();
  Waker::Lock lock = waker_->lock();
  queue_.close();
  advance(lock);  // a read that fails is what lets go of the call
}

BidiCall<v1::TransferRequest, v1::TransferReply>::Operations Stream::next_operations() {
  Operations due;
  due.read = queue_.take_read();
  std::string data;
  const StreamQueue::Frame frame = queue_.take_frame(data);
  due.write = frame != StreamQueue::Frame::kNone;
  switch (frame) {
    case StreamQueue::Frame::kNone:
      break;
    case StreamQueue::Frame::kData:
      request_.set_data(std::move(data));
      break;
    case StreamQueue::Frame::kDatagrams: {
      auto& datagrams = *request_.mutable_datagrams()->mutable_data();
      datagrams.Clear();
      for (std::string& datagram : queue_.frame_datagrams()) datagrams.Add(std::move(datagram));
      break;
    }
    case StreamQueue::Frame::kNarrow:
      request_.mutable_narrow()->set_base(queue_.narrowed_to().base);
      request_.mutable_narrow()->set_inheriting(queue_.narrowed_to().inheriting);
      break;
    case StreamQueue::Frame::kStopReading:
      request_.mutable_stop_reading();
      break;
    case StreamQueue::Frame::kFin:
      request_.mutable_fin();
      break;
    case StreamQueue::Frame::kClose:
      request_.mutable_close();
      break;
  }
  return due;
}

void Stream::on_message(v1::TransferReply& reply) {
  queue_.read_completed();
  switch (reply.frame_case()) {
    case v1::TransferReply::kOpened:
      queue_.opened(static_cast<Errno>(reply.opened()));
      break;
    case v1::TransferReply::kData:
      queue_.received(std::move(*reply.mutable_data()));
      break;
    case v1::TransferReply::kFin:
      queue_.fin();
      break;
    case v1::TransferReply::kError:
      queue_.failed(static_cast<Errno>(reply.error()));
      break;
    case v1::TransferReply::kDatagrams: {
      auto& data = *reply.mutable_datagrams()->mutable_data();
      queue_.received_datagrams({std::make_move_iterator(data.begin()), std::make_move_iterator(data.end())},
                                reply.datagrams().truncated());
      break;
    }
    case v1::TransferReply::FRAME_NOT_SET:
      break;
  }
}

// A guest that waits to read must not be woken for every frame of its own.
bool Stream::on_written(bool ok) {
  const bool before = queue_.poll_write().ready;
  queue_.frame_written(ok);
  return queue_.poll_write().ready != before;
}

void Stream::on_end(const grpc::Status& status) {
  queue_.ended(status.ok() ? err::connreset : errno_from_status(status, handle_->session()));
}

}  // namespace wasi_netd::shim
