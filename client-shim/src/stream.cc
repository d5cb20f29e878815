#include "client-shim/src/stream.h"

#include <algorithm>
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

Stream::Stream(std::shared_ptr<Handle> handle) : BidiCall(handle->session().waker()), x_handle(std::move(handle)) {
  const Waker::Lock guard = x_waker->lock();
  x_handle->queue = &x_queue;
}

Stream::~Stream() {
  const Waker::Lock guard = x_waker->lock();
  x_handle->queue = nullptr;
}

template <class Ready>
Errno Stream::wait(Waker::Lock& lock, bool nonblock, Ready ready) {
  if (nonblock) return ready() ? err::success : err::again;
  Errno broken = err::success;
  x_waker->wait(lock, [&] { return (broken = x_handle->broken_while_waiting()) != err::success || ready(); });
  return broken;
}

Errno Stream::open() {
  Waker::Lock lock = x_waker->lock();
  return open(lock);
}

Errno Stream::open(Waker::Lock& lock) {
  const Errno error = x_handle->usable();
  if (error != err::success || !x_queue.needs_call()) return error;
  x_waker->wait(lock, [this] { return done(); });  // a refused call before this one is about to complete
  x_queue.start();
  v1::TransferOpen& open = *x_request.mutable_open();
  open.set_session(x_handle->session().token());
  open.set_stream(x_handle->token());
  lock.unlock();
  launch([this](grpc::ClientContext* context) {
    x_handle->session().stub().async()->Transfer(context, static_cast<BidiCall*>(this));
  });
  lock.lock();
  return err::success;
}

Errno Stream::read(std::span<const wasi_netd_iovec> buffers, bool nonblock, bool peek, bool all, size_t& count) {
  const size_t wanted = total(buffers);
  const size_t enough = all && peek && !nonblock ? std::min(wanted, StreamQueue::kChunk) : 1;
  std::vector<wasi_netd_iovec> rest;
  count = 0;
  Waker::Lock lock = x_waker->lock();
  const Errno error = open(lock);
  if (error != err::success || wanted == 0) return error;
  while (true) {
    Errno outcome = wait(lock, nonblock, [&] { return x_queue.queued() >= enough || x_queue.settled(); });
    if (outcome == err::success) outcome = x_queue.take_refusal();
    size_t got = 0;
    if (outcome == err::success) outcome = x_queue.read(buffers, peek, got);
    count += got;
    advance(lock);
    if (got == 0 || peek || !all || nonblock || count == wanted) return count > 0 ? err::success : outcome;
    if (rest.empty()) rest.assign(buffers.begin(), buffers.end());
    consume(rest, got);
    buffers = rest;
  }
}

Errno Stream::write(std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count) {
  count = 0;
  Waker::Lock lock = x_waker->lock();
  Errno outcome = open(lock);
  size_t index = 0;
  size_t offset = 0;  // into buffers[index]
  while (outcome == err::success) {
    outcome = x_queue.take_refusal();
    // All buffers go into the queue before the next frame is cut from it.
    while (outcome == err::success && index < buffers.size()) {
      const wasi_netd_ciovec& buffer = buffers[index];
      size_t taken = 0;
      outcome = x_queue.write({static_cast<const char*>(buffer.data) + offset, buffer.size - offset}, taken);
      count += taken;
      offset += taken;
      if (offset < buffer.size) continue;
      ++index;
      offset = 0;
    }
    advance(lock);
    if (outcome == err::success || (outcome == err::again && nonblock)) break;
    if (outcome == err::again) {
      outcome = wait(lock, false, [this] { return x_queue.poll_write().ready; });
    }
  }
  return count > 0 ? err::success : outcome;
}

Errno Stream::shutdown(bool reading, bool writing) {
  Waker::Lock lock = x_waker->lock();
  Errno outcome = open(lock);
  if (outcome == err::success) outcome = x_queue.take_refusal();
  if (outcome != err::success) return outcome;
  if (reading) x_queue.stop_reading();
  if (writing) outcome = x_queue.finish();
  advance(lock);
  return outcome;
}

bool Stream::close() {
  Waker::Lock lock = x_waker->lock();
  x_by_rpc = !x_queue.close();
  advance(lock);
  return !x_by_rpc;
}

void Stream::abort() {
  cancel();
  Waker::Lock lock = x_waker->lock();
  x_queue.close();
  advance(lock);  // a read that fails is what lets go of the call
}

BidiCall<v1::TransferRequest, v1::TransferReply>::Operations Stream::next_operations() {
  Operations due;
  due.read = x_queue.take_read();
  std::string data;
  const StreamQueue::Frame frame = x_queue.take_frame(data);
  due.write = frame != StreamQueue::Frame::kNone;
  switch (frame) {
    case StreamQueue::Frame::kNone:
      break;
    case StreamQueue::Frame::kData:
      x_request.set_data(std::move(data));
      break;
    case StreamQueue::Frame::kStopReading:
      x_request.mutable_stop_reading();
      break;
    case StreamQueue::Frame::kFin:
      x_request.mutable_fin();
      break;
    case StreamQueue::Frame::kClose:
      x_request.mutable_close();
      break;
  }
  return due;
}

void Stream::on_message(v1::TransferReply& reply) {
  x_queue.read_completed();
  switch (reply.frame_case()) {
    case v1::TransferReply::kOpened:
      x_queue.opened(static_cast<Errno>(reply.opened()));
      break;
    case v1::TransferReply::kData:
      x_queue.received(std::move(*reply.mutable_data()));
      break;
    case v1::TransferReply::kFin:
      x_queue.fin();
      break;
    case v1::TransferReply::kError:
      x_queue.failed(static_cast<Errno>(reply.error()));
      break;
    case v1::TransferReply::kWriteError:
      x_queue.write_failed(static_cast<Errno>(reply.write_error()));
      break;
    case v1::TransferReply::FRAME_NOT_SET:
      break;
  }
}

void Stream::on_end(const grpc::Status& status) {
  x_queue.ended(status.ok() ? err::connreset : errno_from_status(status, x_handle->session()));
}

}  // namespace wasi_netd::shim
