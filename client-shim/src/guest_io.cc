// preview1's calls on fds: bytes, shutdown, close, and what an fd is.
#include <utility>

#include "client-shim/src/guest.h"

namespace wasi_netd::shim {
namespace {

using Async = v1::Broker::StubInterface::async_interface;

// The bits that mean something on an fd of this kind; the daemon's table for handles says the same.
constexpr uint64_t meaningful(Kind kind) {
  using namespace right;
  constexpr uint64_t kCommon = poll_fd_readwrite | fd_fdstat_set_flags | fd_filestat_get;
  switch (kind) {
    case Kind::kStdio:
      return kCommon | fd_read | fd_write;
    case Kind::kProtocol:
      return net_open | net_resolve | net_delegate;
    case Kind::kControl:
      return kCommon | net_listen | net_accept | net_connect | net_send_to | net_recv_from | sock_accept | net_delegate;
    case Kind::kConnection:
      return kCommon | net_stream_create | net_stream_accept | sock_shutdown | net_delegate;
    case Kind::kStream:
      return kCommon | fd_read | fd_write | sock_shutdown | net_delegate;
  }
  return 0;
}

// The bits that mean something on what can be made from it, in any number of steps.
constexpr uint64_t inheritable(Kind kind) {
  switch (kind) {
    case Kind::kProtocol:
      return meaningful(Kind::kControl) | inheritable(Kind::kControl);
    case Kind::kControl:
      return meaningful(Kind::kConnection) | inheritable(Kind::kConnection);
    case Kind::kConnection:
      return meaningful(Kind::kStream);
    default:
      return 0;
  }
}

constexpr Rights without_meaningless(Kind kind, const Rights& rights) {
  return {rights.base & meaningful(kind), rights.inheriting & inheritable(kind)};
}

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
  if (!descriptor->stream->close()) close_handle(*descriptor->handle);
  draining_.push_back(std::move(descriptor->stream));
  reap();
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
    const std::unique_ptr<Stream> stream = std::move(draining_.back());
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
  // A call of its own could overtake what was written with the rights that go.
  const bool carried = descriptor->stream && descriptor->stream->narrow(rights);
  if (!descriptor->stdio && !carried) {
    UnaryCall<v1::RightsRequest, v1::StatusReply> call(*descriptor->handle);
    call.request.set_handle(descriptor->handle->token());
    call.request.mutable_rights()->set_base(rights.base);
    call.request.mutable_rights()->set_inheriting(rights.inheriting);
    if (const Errno error = run(call, &Async::SetRights); error != err::success) return error;
  }
  descriptor->rights = rights;
  return err::success;
}

}  // namespace wasi_netd::shim
