// preview1's calls on fds: bytes, shutdown, close, and what an fd is.
#include <algorithm>
#include <utility>

#include "client-shim/src/guest.h"

namespace wasi_netd::shim {
namespace {

using Async = v1::Broker::StubInterface::async_interface;

// What the answer is when a stream's call meets another kind of network fd.
constexpr Errno kNotAStream = err::inval;

}  // namespace

Errno Guest::read(int32_t fd, std::span<const wasi_netd_iovec> buffers, size_t& count) {
  Descriptor* const descriptor = fds_.find(fd);
  if (descriptor == nullptr) return err::badf;
  if (descriptor->kind != Kind::kStdio && descriptor->kind != Kind::kStream) return kNotAStream;
  if ((descriptor->rights.base & right::fd_read) == 0) return err::notcapable;
  if (descriptor->stdio) return descriptor->stdio->read(*waker_, buffers, descriptor->nonblock, count);
  bool truncated = false;  // only recv can tell
  return descriptor->stream->read(buffers, descriptor->nonblock, false, false, count, truncated);
}

Errno Guest::write(int32_t fd, std::span<const wasi_netd_ciovec> buffers, size_t& count) {
  Descriptor* const descriptor = fds_.find(fd);
  if (descriptor == nullptr) return err::badf;
  if (descriptor->kind != Kind::kStdio && descriptor->kind != Kind::kStream) return kNotAStream;
  if ((descriptor->rights.base & right::fd_write) == 0) return err::notcapable;
  if (descriptor->stdio) return descriptor->stdio->write(*waker_, buffers, descriptor->nonblock, count);
  return descriptor->stream->write(buffers, descriptor->nonblock, count);
}

Errno Guest::recv(int32_t fd, std::span<const wasi_netd_iovec> buffers, uint32_t flags, size_t& count,
                  bool& truncated) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find(fd, Kind::kStream, right::fd_read, descriptor); error != err::success) return error;
  if ((flags & ~uint32_t{WASI_NETD_RECV_PEEK | WASI_NETD_RECV_WAITALL}) != 0) return err::inval;
  const bool peek = (flags & WASI_NETD_RECV_PEEK) != 0;
  const bool all = (flags & WASI_NETD_RECV_WAITALL) != 0;
  return descriptor->stream->read(buffers, descriptor->nonblock, peek, all, count, truncated);
}

Errno Guest::send(int32_t fd, std::span<const wasi_netd_ciovec> buffers, size_t& count) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find(fd, Kind::kStream, right::fd_write, descriptor); error != err::success) return error;
  return descriptor->stream->write(buffers, descriptor->nonblock, count);
}

Errno Guest::shutdown(int32_t fd, uint32_t how) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find_network(fd, descriptor); error != err::success) return error;
  const bool connection = descriptor->kind == Kind::kConnection;
  if (!connection && descriptor->kind != Kind::kStream) return kNotAStream;
  if ((descriptor->rights.base & right::sock_shutdown) == 0) return err::notcapable;
  if (how == 0 || (how & ~uint32_t{WASI_NETD_SHUT_RD | WASI_NETD_SHUT_WR}) != 0) return err::inval;
  if (!connection) {
    return descriptor->stream->shutdown((how & WASI_NETD_SHUT_RD) != 0, (how & WASI_NETD_SHUT_WR) != 0);
  }
  // A connection has no halves of its own: it ends now, whatever was named.
  UnaryCall<v1::ShutdownRequest, v1::StatusReply> call(*descriptor->handle);
  call.request.set_handle(descriptor->handle->token());
  call.request.set_read(true);
  call.request.set_write(true);
  return run(call, &Async::Shutdown);
}

Errno Guest::close(int32_t fd) {
  std::unique_ptr<Descriptor> descriptor = fds_.remove(fd);
  if (!descriptor) return err::badf;
  dispose(std::move(descriptor));
  return err::success;
}

Errno Guest::renumber(int32_t from, int32_t to) {
  if (fds_.find(from) == nullptr || fds_.find(to) == nullptr) return err::badf;
  if (from != to) dispose(fds_.renumber(from, to));
  return err::success;
}

void Guest::dispose(std::unique_ptr<Descriptor> descriptor) {
  reap();
  if (descriptor->accepted) close_handle(*descriptor->accepted->handle);
  if (!descriptor->stream) {
    if (descriptor->handle) close_handle(*descriptor->handle);
    return;
  }
  const std::shared_ptr<Stream> stream = std::move(descriptor->stream);
  if (descriptor->handle.get() != &stream->handle()) close_handle(*descriptor->handle);
  if (const auto left = rights_of(*stream)) {
    narrow(*stream, *left);  // that it failed, the fds that are left will see
    return;
  }
  if (!stream->close()) close_handle(stream->handle());
  draining_.push_back(stream);
  reap();
}

std::vector<Stream*> Guest::open_streams() const {
  std::vector<Stream*> streams;
  fds_.for_each([&](int32_t, Descriptor& descriptor) {
    if (descriptor.stream) streams.push_back(descriptor.stream.get());
  });
  std::ranges::sort(streams);
  streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
  return streams;
}

std::optional<Rights> Guest::rights_of(const Stream& stream) const {
  std::optional<Rights> together;
  fds_.for_each([&](int32_t, Descriptor& descriptor) {
    if (descriptor.stream.get() != &stream) return;
    if (!together) together.emplace();
    together->base |= descriptor.rights.base;
    together->inheriting |= descriptor.rights.inheriting;
  });
  return together;
}

Errno Guest::narrow(Stream& stream, Rights rights) {
  // A call of its own could overtake what was written with the rights that go.
  return stream.narrow(rights) ? err::success : set_rights_in_daemon(stream.handle(), rights);
}

Errno Guest::set_rights_in_daemon(const Handle& handle, Rights rights) {
  UnaryCall<v1::RightsRequest, v1::StatusReply> call(handle);
  call.request.set_handle(handle.token());
  call.request.mutable_rights()->set_base(rights.base);
  call.request.mutable_rights()->set_inheriting(rights.inheriting);
  return run(call, &Async::SetRights);
}

void Guest::close_handle(const Handle& handle) {
  UnaryCall<v1::HandleRequest, v1::StatusReply> call(handle);
  call.request.set_handle(handle.token());
  // A handle that cannot be closed any more is gone with its session.
  run(call, &Async::Close);
}

void Guest::reap() {
  for (size_t i = 0; i < draining_.size();) {
    bool drained = false;
    {
      const Waker::Lock guard = waker_->lock();
      drained = draining_[i]->drained();
    }
    if (!drained) {
      ++i;
      continue;
    }
    std::swap(draining_[i], draining_.back());
    const std::shared_ptr<Stream> stream = std::move(draining_.back());
    draining_.pop_back();
    if (stream->needs_close_rpc()) close_handle(stream->handle());
  }
}

Errno Guest::fdstat(int32_t fd, wasi_netd_fdstat& out) const {
  const Descriptor* const descriptor = fds_.find(fd);
  if (descriptor == nullptr) return err::badf;
  if (descriptor->handle && descriptor->kind != Kind::kProtocol) {
    const Waker::Lock guard = waker_->lock();
    if (const Errno error = descriptor->handle->usable(); error != err::success) return error;
  }
  out.filetype = descriptor->filetype;
  out.kind = static_cast<uint8_t>(descriptor->kind);
  out.flags = descriptor->nonblock ? WASI_NETD_FDFLAG_NONBLOCK : 0;
  if (descriptor->stdio) out.flags |= descriptor->stdio->append_flag();
  out.rights_base = descriptor->rights.base;
  out.rights_inheriting = descriptor->rights.inheriting;
  return err::success;
}

Errno Guest::set_flags(int32_t fd, uint16_t flags) {
  wasi_netd_fdstat now{};
  if (const Errno error = fdstat(fd, now); error != err::success) return error;
  if ((now.rights_base & right::fd_fdstat_set_flags) == 0) return err::notcapable;
  // `nonblock` is the only flag a guest can change; it may repeat the others as they are.
  if (((flags ^ now.flags) & ~WASI_NETD_FDFLAG_NONBLOCK) != 0) return err::inval;
  fds_.find(fd)->nonblock = (flags & WASI_NETD_FDFLAG_NONBLOCK) != 0;
  return err::success;
}

Errno Guest::set_rights(int32_t fd, Rights rights) {
  Descriptor* descriptor = fds_.find(fd);
  if (descriptor == nullptr) return err::badf;
  if (!descriptor->stdio) {
    if (const Errno error = find_live(fd, descriptor); error != err::success) return error;
  }
  rights = without_meaningless(descriptor->kind, rights);
  if (!rights.within(descriptor->rights)) return err::notcapable;
  const Rights before = std::exchange(descriptor->rights, rights);
  Errno error = err::success;
  // The handle that a stream's bytes go by stays with what the stream's other fds need.
  const bool carries = descriptor->stream && descriptor->handle.get() == &descriptor->stream->handle();
  if (!descriptor->stdio && !carries) error = set_rights_in_daemon(*descriptor->handle, rights);
  if (error == err::success && descriptor->stream) {
    error = narrow(*descriptor->stream, *rights_of(*descriptor->stream));
  }
  if (error != err::success) descriptor->rights = before;
  return error;
}

}  // namespace wasi_netd::shim
