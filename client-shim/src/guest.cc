#include "client-shim/src/guest.h"

#include <algorithm>
#include <cstddef>
#include <fcntl.h>

namespace wasi_netd::shim {
namespace {

using Async = v1::Broker::StubInterface::async_interface;

// What the shim allows the daemon beyond its linger before it stops waiting for it.
constexpr std::chrono::milliseconds kLingerMargin{500};

constexpr uint64_t kStdioRights = right::fd_fdstat_set_flags | right::fd_filestat_get | right::poll_fd_readwrite;

}  // namespace

Guest::Guest(std::shared_ptr<Tenant> tenant, std::string name, uint64_t ceiling)
    : tenant_(std::move(tenant)), waker_(std::make_shared<Waker>()), name_(std::move(name)), ceiling_(ceiling) {}

Errno Guest::open(std::shared_ptr<Tenant> tenant, const wasi_netd_guest_options* options, std::unique_ptr<Guest>& out) {
  wasi_netd_guest_options defaults{sizeof defaults, nullptr, 0, {0, 1, 2}};
  if (options == nullptr) {
    // A host may run without some of them; one that the caller names must be there.
    for (int& fd : defaults.stdio) fd = ::fcntl(fd, F_GETFD) < 0 ? -1 : fd;
    options = &defaults;
  }
  if (options->size < sizeof defaults) return err::inval;
  const std::string name = options->name == nullptr ? "" : options->name;
  if (const Errno error = check_text(name); error != err::success) return error;
  std::unique_ptr<Guest> guest(new Guest(std::move(tenant), name, options->rights));
  Errno error = guest->add_stdio(options->stdio);
  if (error == err::success) {
    const Tenant::Opening opening(*guest->tenant_, *guest->waker_);
    error = guest->open_session();
  }
  if (error != err::success) return error;
  guest->add_protocols();
  out = std::move(guest);
  return err::success;
}

Guest::~Guest() {
  if (!session_) return;
  const std::vector<Stream*> streams = open_streams();
  for (Stream* stream : streams) stream->abort();
  for (const auto& stream : draining_) stream->abort();
  session_->abort();
  Waker::Lock lock = waker_->lock();
  for (Stream* stream : streams) waker_->wait(lock, [&] { return stream->drained(); });
  for (const auto& stream : draining_) waker_->wait(lock, [&] { return stream->drained(); });
}

void Guest::finish() {
  const Deadline deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(session_->linger_ms()) + kLingerMargin;
  const std::vector<Stream*> streams = open_streams();
  for (Stream* stream : streams) stream->close(deadline);
  bool delivered = true;
  {
    Waker::Lock lock = waker_->lock();
    const auto drain = [&](Stream& stream) {
      delivered = waker_->wait(lock, deadline, [&] { return stream.drained(); }) && delivered;
    };
    for (Stream* stream : streams) drain(*stream);
    for (const auto& stream : draining_) drain(*stream);
  }
  // Past the linger nothing is owed: the destructor ends what is left.
  if (delivered) session_->end(deadline);
}

Errno Guest::open_session() {
  // A connection that served before may have died unnoticed; a fresh one tells.
  for (int attempt = 0;; ++attempt) {
    std::shared_ptr<Channel> channel;
    Errno error = tenant_->connect(*waker_, channel);
    if (error != err::success) return error;
    const bool proven = channel->proven;
    error = Session::open(waker_, channel, name_, ceiling_, session_);
    if (error != err::connaborted) return error;
    tenant_->forget(channel);
    // A daemon that takes a connection and drops it before the first call does not know this process.
    if (attempt > 0 || !proven) return channel->proven ? err::connaborted : err::acces;
  }
}

Errno Guest::add_stdio(const int (&host_fds)[3]) {
  for (int32_t fd = 0; fd < 3; ++fd) {
    // Where the host leaves one out nothing else may stand: a guest's printf must not reach a socket.
    if (host_fds[fd] < 0) {
      fds_.withhold();
      continue;
    }
    auto descriptor = std::make_unique<Descriptor>();
    const Errno error = Stdio::open(host_fds[fd], descriptor->stdio);
    if (error != err::success) return error;
    const Stdio& stdio = *descriptor->stdio;
    descriptor->filetype = stdio.filetype();
    descriptor->rights.base =
        kStdioRights | (stdio.readable() ? right::fd_read : 0) | (stdio.writable() ? right::fd_write : 0);
    fds_.insert(std::move(descriptor));
  }
  return err::success;
}

void Guest::add_protocols() {
  for (const Session::Protocol& protocol : session_->protocols()) {
    auto descriptor = std::make_unique<Descriptor>();
    descriptor->kind = Kind::kProtocol;
    descriptor->rights = protocol.rights;
    descriptor->protocol = protocol.name;
    descriptor->granted = true;
    descriptor->handle = std::make_shared<Handle>(session_, protocol.token);
    fds_.insert(std::move(descriptor));
  }
}

Errno Guest::revive() {
  {
    const Waker::Lock guard = waker_->lock();
    if (waker_->interrupted()) return err::intr;
    if (!session_->lost()) return err::success;
  }
  session_->abort();
  const Errno error = open_session();
  // Still away: the fd stays as dead as the daemon's going left it.
  if (error != err::success) return error == err::intr ? error : err::badf;
  std::vector<Descriptor*> protocols;
  fds_.for_each([&](int32_t, Descriptor& descriptor) {
    if (descriptor.kind == Kind::kProtocol) protocols.push_back(&descriptor);
  });
  // One that fails does so again, and is told, at its next use.
  for (Descriptor* descriptor : protocols) rebind(*descriptor);
  return err::success;
}

// Gives a protocol fd the object of its name in the present session; notcapable if there is no such object any more.
// Rights it had given up stay given up.
Errno Guest::rebind(Descriptor& descriptor) {
  descriptor.handle.reset();
  const auto& protocols = session_->protocols();
  const auto protocol = std::ranges::find(protocols, descriptor.protocol, &Session::Protocol::name);
  if (protocol == protocols.end()) return err::notcapable;
  auto handle = std::make_shared<Handle>(session_, protocol->token);
  descriptor.rights.base &= protocol->rights.base;
  descriptor.rights.inheriting &= protocol->rights.inheriting;
  if (descriptor.granted && descriptor.rights == protocol->rights) {
    descriptor.handle = std::move(handle);
    return err::success;
  }
  UnaryCall<v1::RightsRequest, v1::HandleReply> call(*handle);
  call.request.set_handle(protocol->token);
  call.request.mutable_rights()->set_base(descriptor.rights.base);
  call.request.mutable_rights()->set_inheriting(descriptor.rights.inheriting);
  const Errno error = run(call, &Async::Restrict);
  if (error == err::success) descriptor.handle = std::make_shared<Handle>(session_, call.reply.handle());
  return error;
}

}  // namespace wasi_netd::shim
