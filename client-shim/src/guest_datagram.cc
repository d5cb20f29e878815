// send_to and recv_from: datagrams of a control that is not connected, one call to the daemon each.
#include <algorithm>
#include <cstring>

#include "client-shim/src/guest.h"
#include "client-shim/src/stream_queue.h"

namespace wasi_netd::shim {
namespace {

using Async = v1::Broker::StubInterface::async_interface;

// As much of the datagram as the buffers take.
void fill(std::span<const wasi_netd_iovec> buffers, const v1::RecvFromReply& datagram, Guest::Received& out) {
  const std::string& data = datagram.data();
  out.count = 0;
  for (const wasi_netd_iovec& buffer : buffers) {
    const size_t n = std::min(buffer.size, data.size() - out.count);
    if (n != 0) std::memcpy(buffer.data, data.data() + out.count, n);
    out.count += n;
  }
  out.truncated = datagram.truncated() || out.count < data.size();
}

}  // namespace

Errno Guest::find_datagrams(int32_t fd, uint64_t right, Descriptor*& out) const {
  Descriptor* control = nullptr;
  if (const Errno error = find_network(fd, control); error != err::success) return error;
  if (control->kind != Kind::kControl) return err::inval;
  if (control->filetype != WASI_NETD_SOCKET_DGRAM) return err::notsup;
  return find(fd, Kind::kControl, right, out);
}

Errno Guest::send_to(int32_t fd, std::span<const wasi_netd_ciovec> buffers, std::string_view address, size_t& count) {
  Descriptor* control = nullptr;
  Errno error = find_datagrams(fd, right::net_send_to, control);
  if (error != err::success) return error;
  if (error = check_text(address); error != err::success) return error;
  UnaryCall<v1::SendToRequest, v1::SendToReply> call(*control->handle);
  std::string& data = *call.request.mutable_data();
  for (const wasi_netd_ciovec& buffer : buffers) {
    if (buffer.size > StreamQueue::kMaxDatagram - data.size()) return err::msgsize;
    data.append(static_cast<const char*>(buffer.data), buffer.size);
  }
  call.request.set_control(control->handle->token());
  call.request.set_address(std::string(address));
  call.request.set_nonblock(control->nonblock);
  Readiness& readiness = control->handle->readiness;
  {
    const Waker::Lock guard = waker_->lock();
    readiness.call_started();
  }
  error = run(call, &Async::SendTo);
  if (error == err::again) {
    const Waker::Lock guard = waker_->lock();
    readiness.call_answered_again(Readiness::kWritable);
  }
  if (error == err::success) count = data.size();
  return error;
}

Errno Guest::recv_from(int32_t fd, std::span<const wasi_netd_iovec> buffers, size_t address_room, Received& out) {
  Descriptor* control = nullptr;
  Errno error = find_datagrams(fd, right::net_recv_from, control);
  if (error != err::success) return error;
  Readiness& readiness = control->handle->readiness;
  {
    const Waker::Lock guard = waker_->lock();
    if (error = control->handle->usable(); error != err::success) return error;
    if (!control->unclaimed) readiness.call_started();
  }
  if (!control->unclaimed) {
    size_t room = 0;
    for (const wasi_netd_iovec& buffer : buffers) room += std::min(buffer.size, StreamQueue::kChunk - room);
    UnaryCall<v1::RecvFromRequest, v1::RecvFromReply> call(*control->handle);
    call.request.set_control(control->handle->token());
    call.request.set_max(static_cast<uint32_t>(room));
    call.request.set_nonblock(control->nonblock);
    error = run(call, &Async::RecvFrom);
    if (error == err::again) {
      const Waker::Lock guard = waker_->lock();
      readiness.call_answered_again(Readiness::kReadable);
    }
    if (error != err::success) return error;
    control->unclaimed = std::make_unique<v1::RecvFromReply>(std::move(call.reply));
  }
  out.address = control->unclaimed->address();
  if (out.address.size() > address_room) return err::overflow;
  fill(buffers, *control->unclaimed, out);
  control->unclaimed.reset();
  return err::success;
}

}  // namespace wasi_netd::shim
