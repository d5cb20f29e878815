// Calls on connections and streams, and those that any handle answers.
#include "daemon/broker/calls.h"
#include "daemon/broker/control.h"
#include "daemon/broker/stream.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker::calls {
namespace {

// The connection that a connection or stream handle stands for. notconn on a control, inval on a protocol.
Result<std::shared_ptr<Connection>> connection_of(Session& session, const Token& token, RightSet needed) {
  auto handle = session.find(token, needed);
  if (!handle) return handle.error();
  const std::shared_ptr<Object>& object = (*handle)->object;
  switch (object->kind()) {
    case Kind::kConnection:
      return std::static_pointer_cast<Connection>(object);
    case Kind::kStream:
      return static_cast<Stream&>(*object).connection().shared_from_this();
    case Kind::kControl:
      return Error{Errno::notconn, "a control has no peer"};
    case Kind::kProtocol:
      break;
  }
  return Error{Errno::inval, "another kind of handle"};
}

// The connection's stream under a handle with these rights. A nonblocking call on a connecting one is told when to come
// again.
Task<Result<NewHandle>> take_stream(SessionPtr session, Token token, RightSet needed, std::optional<Rights> wanted,
                                    bool nonblock, Call& call) {
  auto connection = session->find<Connection>(token, Kind::kConnection, needed);
  if (!connection) co_return connection.error();
  if (!nonblock) co_await (*connection)->decided(call);
  auto handle = session->find(token, Kind::kConnection, needed);  // it may be gone after the wait
  if (!handle) co_return handle.error();
  Rights rights = derive_all(Kind::kStream, (*handle)->rights);
  if (wanted) {
    const auto derived = derive(Kind::kStream, (*handle)->rights, *wanted);
    if (!derived) co_return Error{Errno::notcapable, "more rights than the connection hands on"};
    rights = *derived;
  }
  // Room for the handle first: a stream that was taken cannot be put back.
  if (!session->has_room_for_handle()) co_return Error{Errno::mfile, "handle quota"};
  auto stream = (*connection)->take_stream();
  if (!stream) {
    if (stream.error().code == Errno::again) (*connection)->arm(token, kWritable);
    co_return stream.error();
  }
  co_return session->insert(std::move(*stream), rights);
}

}  // namespace

Task<Result<NewHandle>> stream_create(SessionPtr session, Token connection, Rights wanted, bool nonblock, Call& call) {
  co_return co_await take_stream(session, connection, right::net_stream_create, wanted, nonblock, call);
}

Task<Result<NewHandle>> stream_accept(SessionPtr session, Token connection, bool nonblock, Call& call) {
  co_return co_await take_stream(session, connection, right::net_stream_accept, std::nullopt, nonblock, call);
}

Result<NewHandle> restrict_handle(Session& session, const Token& token, const Rights& wanted) {
  auto handle = session.find(token, 0);
  if (!handle) return handle.error();
  const std::shared_ptr<Object> object = (*handle)->object;
  const auto rights = weaken(object->kind(), (*handle)->rights, wanted);
  if (!rights) return Error{Errno::notcapable, "more rights than the handle has"};
  return session.insert(object, *rights);
}

Result<Rights> set_rights(Session& session, const Token& token, const Rights& wanted) {
  auto handle = session.find(token, 0);
  if (!handle) return handle.error();
  const auto rights = weaken((*handle)->object->kind(), (*handle)->rights, wanted);
  if (!rights) return Error{Errno::notcapable, "more rights than the handle has"};
  (*handle)->rights = *rights;
  return *rights;
}

Status shutdown(Session& session, const Token& token, bool read, bool write) {
  if (!read && !write) return Error{Errno::inval, "no direction"};
  auto handle = session.find(token, right::sock_shutdown);
  if (!handle) return handle.error();
  Object& object = *(*handle)->object;
  if (object.kind() == Kind::kStream) {
    Stream& stream = static_cast<Stream&>(object);
    if (stream.in_transfer()) return Error{Errno::busy, "shutdown travels in the transfer"};
    return stream.shutdown(read, write);
  }
  if (object.kind() != Kind::kConnection) return Error{Errno::notconn, "nothing to shut down"};
  // A connection has no halves of its own: its streams have.
  if (!read || !write) return Error{Errno::inval, "a connection ends in both directions"};
  static_cast<Connection&>(object).shutdown();
  return {};
}

Status close(Session& session, const Token& token) {
  auto handle = session.find(token, 0);
  if (!handle) return handle.error();
  // Bytes may be on their way in the transfer, behind which a close belongs: without that frame it is an abort.
  if ((*handle)->object->kind() == Kind::kStream) {
    Stream& stream = static_cast<Stream&>(*(*handle)->object);
    if (stream.in_transfer_by(token)) stream.connection().abort({Errno::canceled, "closed during a transfer"});
  }
  return session.close(token);
}

Result<Polled> poll(Session& session, const Token& token, uint32_t interest) {
  auto handle = session.find(token, right::poll_fd_readwrite);
  if (!handle) return handle.error();
  Object& object = *(*handle)->object;
  if (object.kind() == Kind::kProtocol) return Error{Errno::inval, "nothing to wait for"};
  if (object.kind() == Kind::kStream && static_cast<Stream&>(object).in_transfer()) {
    return Error{Errno::busy, "stream in a mode"};
  }
  if (object.kind() == Kind::kControl) {
    // Without a socket nothing would ever come to hold.
    auto ready = static_cast<Control&>(object).prepare_poll();
    if (!ready) return ready.error();
  }
  interest &= kReadable | kWritable;
  const uint32_t now = object.readiness();
  if (const uint32_t missing = interest & ~now; missing != 0) object.arm(token, missing);
  return Polled{now & (interest | kHangup), object.next_size()};
}

Result<policy::Endpoint> local_address(Session& session, const Token& token) {
  auto handle = session.find(token, right::fd_filestat_get);
  if (!handle) return handle.error();
  if ((*handle)->object->kind() == Kind::kControl) {
    Control& control = static_cast<Control&>(*(*handle)->object);
    if (control.state() == ControlState::kIdle) {
      if (auto bound = control.bind(); !bound) return bound.error();
    }
    return control.local_endpoint();
  }
  auto connection = connection_of(session, token, right::fd_filestat_get);
  if (!connection) return connection.error();
  return (*connection)->local_endpoint();
}

Result<policy::Endpoint> peer_address(Session& session, const Token& token) {
  auto connection = connection_of(session, token, right::fd_filestat_get);
  if (!connection) return connection.error();
  return (*connection)->peer_endpoint();
}

Result<ConnectionFacts> connection_info(Session& session, const Token& token) {
  auto connection = connection_of(session, token, right::fd_filestat_get);
  if (!connection) return connection.error();
  return ConnectionFacts{(*connection)->protocol().transport, (*connection)->info()};
}

Status set_option(Session& session, const Token& token, net::Option option, uint32_t value) {
  auto connection = connection_of(session, token, right::fd_fdstat_set_flags);
  if (!connection) return connection.error();
  return (*connection)->set_option(option, value);
}

Result<uint32_t> get_option(Session& session, const Token& token, net::Option option) {
  auto connection = connection_of(session, token, right::fd_filestat_get);
  if (!connection) return connection.error();
  return (*connection)->get_option(option);
}

Task<Result<Stream::Got>> read(SessionPtr session, Token token, boost::asio::mutable_buffer buffer, bool nonblock,
                               Call& call) {
  auto stream = session->find<Stream>(token, Kind::kStream, right::fd_read);
  if (!stream) co_return stream.error();
  Result<Stream::Got> got = co_await (*stream)->read(buffer, nonblock, call);
  if (!got && got.error().code == Errno::again) (*stream)->arm(token, kReadable);
  co_return got;
}

Task<Result<size_t>> write(SessionPtr session, Token token, boost::asio::const_buffer buffer, bool nonblock,
                           Call& call) {
  auto stream = session->find<Stream>(token, Kind::kStream, right::fd_write);
  if (!stream) co_return stream.error();
  Result<size_t> sent = co_await (*stream)->write(buffer, nonblock, call);
  if (!sent && sent.error().code == Errno::again) (*stream)->arm(token, kWritable);
  co_return sent;
}

}  // namespace wasi_netd::broker::calls
