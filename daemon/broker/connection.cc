#include "daemon/broker/connection.h"

#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/broker/control.h"
#include "daemon/broker/session.h"
#include "daemon/broker/stream.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {
Connection::Connection(std::shared_ptr<Session> session, Permit permit, Charge charge)
    : Object(session, Kind::kConnection),
      permit_(std::move(permit)),
      charge_(std::move(charge)),
      waiting_(session->tenant().loop()) {
  session->tenant().add_connection(this);
}

Connection::~Connection() { session().tenant().remove_connection(this); }

void Connection::set_state(ConnectionEvent event) {
  const auto to = next(state_, event);
  WASI_NETD_CHECK(to, std::string("connection ") + std::string(to_string(state_)));
  spdlog::trace("connection {}: {} -> {}", fmt::ptr(this), to_string(state_), to_string(*to));
  state_ = *to;
  if (state_ == ConnectionState::kConnecting) return;
  if (auto stop = std::exchange(decided_, nullptr)) stop();
}

void Connection::use_bound(const std::shared_ptr<Control>& control, std::shared_ptr<net::Bound> bound) {
  control_ = control;
  bound_ = std::move(bound);
}

void Connection::dial(std::vector<policy::Endpoint> targets, net::Targets which) {
  Tenant& tenant = session().tenant();
  const policy::Request& request = permit_.request;
  policy::Endpoint asked = request.endpoint;
  if (request.via_name) asked = policy::NameEndpoint{*request.via_name, 0};
  if (permit_.datagrams) {
    dial_ =
        net::dial_datagram(tenant.loop(), std::move(targets), which, datagram_options(session()), std::move(bound_));
  } else {
    dial_ = net::dial_path(tenant.loop(), tenant.runtime(protocol()).path(), std::move(targets), which,
                           std::move(asked), std::move(bound_));
  }
  tenant.spawn(run_dial(shared_from_this(), dial_));
}

void Connection::dial_also(std::vector<policy::Endpoint> targets) {
  if (dial_) dial_->add(std::move(targets));
}

Task<void> Connection::run_dial(std::shared_ptr<Connection> self, std::shared_ptr<net::Dial> dial) {
  if (self->state_ != ConnectionState::kConnecting) co_return;  // given up before it began
  const uint64_t memory = self->session().tenant().runtime(self->protocol()).path()->memory();
  if (auto charged = self->charge_memory(memory); !charged) {
    self->fail(charged.error());
    co_return;
  }
  auto made = co_await dial->run();
  self->dial_ = nullptr;
  if (self->state_ != ConnectionState::kConnecting) {  // aborted or given up meanwhile
    if (made) (*made)->abort();
    co_return;
  }
  if (!made) {
    self->fail(made.error());
    co_return;
  }
  self->adopt(std::move(*made));
}

Task<void> Connection::shake_hands(std::shared_ptr<Connection> self, std::shared_ptr<net::TlsContext> tls,
                                   std::shared_ptr<net::Connection> peer) {
  if (self->state_ != ConnectionState::kConnecting) {  // given up before it began
    peer->abort();
    co_return;
  }
  if (auto charged = self->charge_memory(tls->handshake_memory()); !charged) {
    peer->abort();
    self->fail(charged.error());
    co_return;
  }
  self->cancel_handshake_ = [peer] { peer->abort(); };
  auto made = co_await net::tls_accept(std::move(tls), peer);
  self->cancel_handshake_ = nullptr;
  if (self->state_ != ConnectionState::kConnecting) {
    if (made) (*made)->abort();
  } else if (made) {
    self->adopt(std::move(*made));
  } else {
    self->fail(made.error());
  }
}

Status Connection::charge_memory(uint64_t bytes) {
  memory_.release();
  if (bytes == 0) return {};
  auto charge = session().buffers_quota().charge(bytes);
  if (!charge) {
    session().tenant().audit().quota(session().subject(permit_.request.protocol), "buffers",
                                     session().buffers_quota().used());
    return Error{Errno::nobufs, "buffer quota"};
  }
  memory_ = std::move(*charge);
  return {};
}

void Connection::adopt(std::shared_ptr<net::Connection> net) {
  if (auto charged = charge_memory(net->memory()); !charged) {
    net->abort();
    fail(charged.error());
    return;
  }
  net_ = std::move(net);
  if (permit_.datagrams) {
    if (auto stream = net_->take_stream()) datagrams_ = std::move(*stream);
  }
  set_state(ConnectionEvent::kEstablished);
  waiting_.wake_all();
  readiness_changed();
}

void Connection::fail(Error error) {
  set_state(ConnectionEvent::kRefused);
  over(std::move(error));
}

Error Connection::error() const {
  if (error_.code != Errno::success) return error_;
  return {Errno::notconn, "connection is over"};
}

Task<void> Connection::decided(Call& call) {
  while (state_ == ConnectionState::kConnecting && !call.cancelled()) co_await waiting_.wait(call);
}

Result<std::shared_ptr<Stream>> Connection::take_stream() {
  if (state_ == ConnectionState::kConnecting) return Error{Errno::again, "connecting"};
  if (state_ != ConnectionState::kConnected) return error();
  Result<std::shared_ptr<net::Stream>> stream = datagrams_;
  if (!datagrams_) {
    stream = net_->take_stream();
  } else if (stream_taken_) {
    stream = Error{Errno::notsup, "one stream of datagrams"};
  }
  if (!stream) return stream.error();
  stream_taken_ = true;
  return std::make_shared<Stream>(session_share(), shared_from_this(), std::move(*stream));
}

Result<policy::Endpoint> Connection::local_endpoint() const {
  if (!net_) return Error{Errno::notconn, "not established"};
  return net_->local_endpoint();
}

Result<policy::Endpoint> Connection::peer_endpoint() const {
  if (!net_) return Error{Errno::notconn, "not established"};
  return net_->peer_endpoint();
}

net::ConnectionInfo Connection::info() const { return net_ ? net_->info() : net::ConnectionInfo(); }

const policy::Protocol& Connection::protocol() const {
  return *session().tenant().policy().protocol(permit_.request.protocol);
}

Status Connection::set_option(net::Option option, uint32_t value) {
  if (!net_) return error();
  return net_->set_option(option, value);
}

Result<uint32_t> Connection::get_option(net::Option option) const {
  if (!net_) return error();
  return net_->get_option(option);
}

uint32_t Connection::readiness() {
  switch (state_) {
    case ConnectionState::kConnecting:
      return 0;
    case ConnectionState::kConnected:
      // Writable: decided. Readable: stream_accept would have a stream.
      return kWritable | (stream_taken_ ? 0 : kReadable);
    default:
      return kWritable | kReadable | kHangup;  // a call answers at once, with the error
  }
}

void Connection::last_handle_closed() {
  if (!stream_taken_) release();
}

void Connection::stream_released() { release(); }

void Connection::release() {
  switch (state_) {
    case ConnectionState::kConnecting:
    case ConnectionState::kFailed:
      set_state(ConnectionEvent::kRelease);
      cancel_connecting();
      over({Errno::canceled, "given up"});
      return;
    case ConnectionState::kConnected:
      set_state(ConnectionEvent::kRelease);
      session().tenant().spawn(run_finish(shared_from_this()));
      return;
    case ConnectionState::kEnding:
    case ConnectionState::kEnded:
      return;
  }
}

void Connection::cancel_connecting() {
  if (dial_) dial_->cancel();
  if (cancel_handshake_) cancel_handshake_();
}

Task<void> Connection::run_finish(std::shared_ptr<Connection> self) {
  co_await self->net_->finish(self->session().tenant().linger());
  if (self->state_ != ConnectionState::kEnding) co_return;  // aborted meanwhile
  self->set_state(ConnectionEvent::kFinished);
  self->over({Errno::success, {}});
}

void Connection::abort(Error why) {
  if (state_ == ConnectionState::kEnded) return;
  set_state(ConnectionEvent::kAbort);
  cancel_connecting();
  if (net_) net_->abort();
  over(std::move(why));
}

void Connection::over(Error why) {
  // Once: a failed connect is over already when its handle goes.
  if (charge_.amount() != 0) {
    const policy::Request& request = permit_.request;
    Audit::Closed closed{
        request.operation,
        permit_.asked,
        {},
        permit_.rule,
        why.code,
        why.detail,
        bytes_in_,
        bytes_out_,
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_)};
    if (net_) closed.peer = net_->peer_endpoint();
    closed.dropped = dropped_ + (datagrams_ ? datagrams_->dropped() : 0);
    session().tenant().audit().closed(session().subject(request.protocol), closed);
    error_ = std::move(why);
    if (error_.code == Errno::success || error_.code == Errno::canceled)
      error_ = {Errno::notconn, "connection is over"};
    net_.reset();
    datagrams_.reset();
    if (bound_) bound_->close();  // others may wait at it
    bound_.reset();
    dial_.reset();
    charge_.release();
    if (const auto control = control_.lock()) control->bound_connection_over();
  }
  waiting_.wake_all();
  readiness_changed();
}

}  // namespace wasi_netd::broker
