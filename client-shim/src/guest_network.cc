// The calls of modules `networking` and `networking_ext`: each finds its fd, asks the daemon, and puts what it was
// given into the fd table.
#include <algorithm>
#include <map>

#include "client-shim/src/guest.h"

namespace wasi_netd::shim {
namespace {

using Async = v1::Broker::StubInterface::async_interface;

void fill(v1::Rights& out, Rights rights) {
  out.set_base(rights.base);
  out.set_inheriting(rights.inheriting);
}

bool valid_fdflags(uint32_t fdflags) { return (fdflags & ~uint32_t{WASI_NETD_FDFLAG_NONBLOCK}) == 0; }

void add_line(std::string& text, std::string_view key, const std::string& value) {
  if (!value.empty()) text.append(key).append("=").append(value).append("\n");
}

}  // namespace

Errno Guest::find_network(int32_t fd, Descriptor*& out) const {
  Descriptor* const descriptor = fds_.find(fd);
  if (descriptor == nullptr) return err::badf;
  if (descriptor->kind == Kind::kStdio) return err::notsock;
  if (!descriptor->handle) return err::notcapable;
  out = descriptor;
  return err::success;
}

Errno Guest::find(int32_t fd, Kind kind, uint64_t right, Descriptor*& out) const {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find_network(fd, descriptor); error != err::success) return error;
  if (descriptor->kind != kind) return err::inval;
  if ((descriptor->rights.base & right) == 0) return err::notcapable;
  out = descriptor;
  return err::success;
}

Errno Guest::find_live(int32_t fd, Descriptor*& out) {
  Descriptor* const descriptor = fds_.find(fd);
  if (descriptor != nullptr && descriptor->kind == Kind::kProtocol) {
    Errno error = revive();
    if (error == err::success && !descriptor->handle) error = rebind(*descriptor);
    if (error != err::success) return error;
  }
  return find_network(fd, out);
}

Errno Guest::find_protocol(int32_t fd, uint64_t right, Descriptor*& out) {
  const Errno error = find_live(fd, out);
  return error != err::success ? error : find(fd, Kind::kProtocol, right, out);
}

std::unique_ptr<Descriptor> Guest::make_descriptor(const Descriptor& parent, Kind kind, bool nonblock, uint8_t filetype,
                                                   const v1::HandleReply& reply) {
  auto descriptor = std::make_unique<Descriptor>();
  descriptor->kind = kind;
  descriptor->filetype = filetype;
  descriptor->nonblock = nonblock;
  descriptor->rights = {reply.rights().base(), reply.rights().inheriting()};
  if (kind == Kind::kProtocol) descriptor->protocol = parent.protocol;
  // Not session_: the parent may be of a session before it, and then the call has failed.
  descriptor->handle = std::make_shared<Handle>(parent.handle->shared_session(), reply.handle());
  if (parent.stream) {
    descriptor->stream = parent.stream;
  } else if (kind == Kind::kStream) {
    descriptor->stream = std::make_shared<Stream>(descriptor->handle, filetype == WASI_NETD_SOCKET_DGRAM);
  }
  return descriptor;
}

Errno Guest::open_control(int32_t protocol_fd, std::string_view address, uint32_t type, Rights rights, uint32_t fdflags,
                          int32_t& out) {
  Descriptor* protocol = nullptr;
  Errno error = find_protocol(protocol_fd, right::net_open, protocol);
  if (error != err::success) return error;
  if (type != WASI_NETD_SOCKET_DGRAM && type != WASI_NETD_SOCKET_STREAM) return err::inval;
  if (!valid_fdflags(fdflags)) return err::inval;
  if (error = check_text(address); error != err::success) return error;
  UnaryCall<v1::OpenRequest, v1::HandleReply> call(*protocol->handle);
  call.request.set_protocol(protocol->handle->token());
  call.request.set_address(std::string(address));
  call.request.set_type(static_cast<v1::SocketType>(type));
  fill(*call.request.mutable_rights(), rights);
  error = run(call, &Async::Open);
  if (error != err::success) return error;
  out = add_handle(*protocol, Kind::kControl, fdflags != 0, static_cast<uint8_t>(type), call.reply);
  return err::success;
}

Errno Guest::listen(int32_t fd, uint32_t backlog) {
  Descriptor* control = nullptr;
  if (const Errno error = find(fd, Kind::kControl, right::net_listen, control); error != err::success) return error;
  UnaryCall<v1::ListenRequest, v1::StatusReply> call(*control->handle);
  call.request.set_control(control->handle->token());
  call.request.set_backlog(backlog);
  return run(call, &Async::Listen);
}

Errno Guest::accept(int32_t fd, int32_t& out) {
  Descriptor* control = nullptr;
  Errno error = find(fd, Kind::kControl, right::net_accept, control);
  if (error != err::success) return error;
  std::unique_ptr<Descriptor> connection;
  error = accept_connection(*control, connection);
  if (error == err::success) out = fds_.insert(std::move(connection));
  return error;
}

Errno Guest::accept_connection(Descriptor& control, std::unique_ptr<Descriptor>& out) {
  Readiness& readiness = control.handle->readiness;
  {
    const Waker::Lock guard = waker_->lock();
    if (control.accepted) {
      const Errno error = control.handle->usable();
      if (error == err::success) out = std::move(control.accepted);
      return error;
    }
    readiness.call_started();
  }
  UnaryCall<v1::AcceptRequest, v1::HandleReply> call(*control.handle);
  call.request.set_control(control.handle->token());
  call.request.set_nonblock(control.nonblock);
  const Errno error = run(call, &Async::Accept);
  if (error == err::again) {
    const Waker::Lock guard = waker_->lock();
    readiness.call_answered_again(Readiness::kReadable);
  }
  if (error != err::success) return error;
  out = make_descriptor(control, Kind::kConnection, control.nonblock, control.filetype, call.reply);
  return err::success;
}

// preview1's socket is our connection and its one stream in a single fd: the connection's own handle is let go, the
// stream keeps it alive. A peer that was taken is not lost to what its stream may still meet: what can be foreseen is
// checked before, and where handles ran out between the two the connection waits for the next accept.
Errno Guest::sock_accept(int32_t fd, uint32_t fdflags, int32_t& out) {
  Descriptor* control = nullptr;
  Errno error = find(fd, Kind::kControl, right::sock_accept, control);
  if (error != err::success) return error;
  if (!valid_fdflags(fdflags)) return err::inval;
  const bool nonblock = fdflags != 0;
  const uint64_t inherited =
      right::net_stream_accept | (nonblock == control->nonblock ? 0 : right::fd_fdstat_set_flags);
  if ((control->rights.base & right::net_accept) == 0) return err::notcapable;
  if ((control->rights.inheriting & inherited) != inherited) return err::notcapable;
  std::unique_ptr<Descriptor> connection;
  std::unique_ptr<Descriptor> stream;
  error = accept_connection(*control, connection);
  if (error != err::success) return error;
  error = accept_stream(*connection, nonblock, stream);
  if (error == err::mfile || error == err::nfile) {
    control->accepted = std::move(connection);
    return error;
  }
  dispose(std::move(connection));
  if (error == err::success) out = fds_.insert(std::move(stream));
  return error;
}

Errno Guest::connect(int32_t fd, std::string_view address, int32_t& out) {
  Descriptor* control = nullptr;
  Errno error = find(fd, Kind::kControl, right::net_connect, control);
  if (error != err::success) return error;
  if (error = check_text(address); error != err::success) return error;
  UnaryCall<v1::ConnectRequest, v1::HandleReply> call(*control->handle);
  call.request.set_control(control->handle->token());
  call.request.set_address(std::string(address));
  call.request.set_nonblock(control->nonblock);
  error = run(call, &Async::Connect);
  if (error != err::success) return error;
  out = add_handle(*control, Kind::kConnection, control->nonblock, control->filetype, call.reply);
  return err::success;
}

Errno Guest::stream_create(int32_t fd, Rights rights, uint32_t fdflags, int32_t& out) {
  Descriptor* connection = nullptr;
  Errno error = find(fd, Kind::kConnection, right::net_stream_create, connection);
  if (error != err::success) return error;
  if (!valid_fdflags(fdflags)) return err::inval;
  UnaryCall<v1::StreamCreateRequest, v1::HandleReply> call(*connection->handle);
  call.request.set_connection(connection->handle->token());
  fill(*call.request.mutable_rights(), rights);
  call.request.set_nonblock(connection->nonblock);
  error = run(call, &Async::StreamCreate);
  if (error != err::success) return error;
  out = add_handle(*connection, Kind::kStream, fdflags != 0, connection->filetype, call.reply);
  return err::success;
}

Errno Guest::stream_accept(int32_t fd, int32_t& out) {
  Descriptor* connection = nullptr;
  Errno error = find(fd, Kind::kConnection, right::net_stream_accept, connection);
  if (error != err::success) return error;
  std::unique_ptr<Descriptor> stream;
  error = accept_stream(*connection, connection->nonblock, stream);
  if (error == err::success) out = fds_.insert(std::move(stream));
  return error;
}

Errno Guest::accept_stream(Descriptor& connection, bool nonblock, std::unique_ptr<Descriptor>& out) {
  UnaryCall<v1::StreamAcceptRequest, v1::HandleReply> call(*connection.handle);
  call.request.set_connection(connection.handle->token());
  call.request.set_nonblock(connection.nonblock);
  const Errno error = run(call, &Async::StreamAccept);
  if (error != err::success) return error;
  out = make_descriptor(connection, Kind::kStream, nonblock, connection.filetype, call.reply);
  return err::success;
}

Errno Guest::protocol_get(std::string_view name, int32_t& out) const {
  int32_t found = -1;
  fds_.for_each([&](int32_t fd, const Descriptor& descriptor) {
    if (descriptor.granted && descriptor.protocol == name) found = fd;
  });
  if (found < 0) return err::noent;
  out = found;
  return err::success;
}

std::string Guest::protocol_list() const {
  std::map<std::string_view, int32_t> fds;
  fds_.for_each([&](int32_t fd, const Descriptor& descriptor) {
    if (descriptor.granted) fds.emplace(descriptor.protocol, fd);
  });
  std::string text;
  for (const auto& [name, fd] : fds) {
    if (!text.empty()) text += ',';
    text.append(name).append(":").append(std::to_string(fd));
  }
  return text;
}

Errno Guest::address_of(int32_t fd, UnaryCall<v1::HandleRequest, v1::AddressReply>::Method method, std::string& out) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find_network(fd, descriptor); error != err::success) return error;
  UnaryCall<v1::HandleRequest, v1::AddressReply> call(*descriptor->handle);
  call.request.set_handle(descriptor->handle->token());
  const Errno error = run(call, method);
  if (error == err::success) out = call.reply.address();
  return error;
}

Errno Guest::local_address(int32_t fd, std::string& out) { return address_of(fd, &Async::LocalAddress, out); }

Errno Guest::peer_address(int32_t fd, std::string& out) { return address_of(fd, &Async::PeerAddress, out); }

Errno Guest::connection_info(int32_t fd, std::string& out) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find_network(fd, descriptor); error != err::success) return error;
  UnaryCall<v1::HandleRequest, v1::ConnectionInfoReply> call(*descriptor->handle);
  call.request.set_handle(descriptor->handle->token());
  const Errno error = run(call, &Async::ConnectionInfo);
  if (error != err::success) return error;
  add_line(out, "transport", call.reply.transport());
  add_line(out, "alpn", call.reply.alpn());
  add_line(out, "tls_version", call.reply.tls_version());
  add_line(out, "tls_cipher", call.reply.tls_cipher());
  add_line(out, "peer_name", call.reply.peer_name());
  return err::success;
}

Errno Guest::resolve(int32_t fd, std::string_view name, std::string& out) {
  Descriptor* protocol = nullptr;
  Errno error = find_protocol(fd, right::net_resolve, protocol);
  if (error != err::success) return error;
  if (error = check_text(name); error != err::success) return error;
  UnaryCall<v1::ResolveRequest, v1::ResolveReply> call(*protocol->handle);
  call.request.set_protocol(protocol->handle->token());
  call.request.set_name(std::string(name));
  error = run(call, &Async::Resolve);
  if (error != err::success) return error;
  for (const std::string& address : call.reply.addresses()) out.append(address).append("\n");
  return err::success;
}

Errno Guest::restrict_rights(int32_t fd, Rights rights, int32_t& out) {
  Descriptor* descriptor = nullptr;
  Errno error = find_live(fd, descriptor);
  if (error != err::success) return error;
  // The handle that a stream's bytes go by may have more than this fd.
  rights = without_meaningless(descriptor->kind, rights);
  if (!rights.within(descriptor->rights)) return err::notcapable;
  UnaryCall<v1::RightsRequest, v1::HandleReply> call(*descriptor->handle);
  call.request.set_handle(descriptor->handle->token());
  fill(*call.request.mutable_rights(), rights);
  error = run(call, &Async::Restrict);
  if (error != err::success) return error;
  out = add_handle(*descriptor, descriptor->kind, descriptor->nonblock, descriptor->filetype, call.reply);
  return err::success;
}

Errno Guest::set_option(int32_t fd, uint32_t option, uint32_t value) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find_network(fd, descriptor); error != err::success) return error;
  if (option == 0 || !v1::Option_IsValid(static_cast<int>(option))) return err::noprotoopt;
  UnaryCall<v1::SetOptionRequest, v1::StatusReply> call(*descriptor->handle);
  call.request.set_handle(descriptor->handle->token());
  call.request.set_option(static_cast<v1::Option>(option));
  call.request.set_value(value);
  return run(call, &Async::SetOption);
}

Errno Guest::get_option(int32_t fd, uint32_t option, uint32_t& out) {
  Descriptor* descriptor = nullptr;
  if (const Errno error = find_network(fd, descriptor); error != err::success) return error;
  if (option == 0 || !v1::Option_IsValid(static_cast<int>(option))) return err::noprotoopt;
  UnaryCall<v1::GetOptionRequest, v1::GetOptionReply> call(*descriptor->handle);
  call.request.set_handle(descriptor->handle->token());
  call.request.set_option(static_cast<v1::Option>(option));
  const Errno error = run(call, &Async::GetOption);
  if (error == err::success) out = call.reply.value();
  return error;
}

}  // namespace wasi_netd::shim
