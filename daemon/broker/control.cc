#include "daemon/broker/control.h"

#include <spdlog/spdlog.h>

#include "daemon/broker/session.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {
namespace {
constexpr int kDefaultBacklog = 128;
constexpr std::chrono::milliseconds kDescriptorRetry{500};
}  // namespace

Control::Control(std::shared_ptr<Session> session, policy::Request opened, policy::Transport transport, bool datagrams)
    : Object(session, Kind::kControl),
      opened_(std::move(opened)),
      transport_(transport),
      of_datagrams_(datagrams),
      accepting_(session->tenant().loop()),
      room_(session->tenant().loop()) {
  const Tenant& tenant = session->tenant();
  tls_ = tenant.runtime(*tenant.policy().protocol(opened_.protocol)).server_tls();
}

Control::~Control() = default;

void Control::set_state(ControlEvent event) {
  const auto to = next(state_, event);
  WASI_NETD_CHECK(to, std::string("control ") + std::string(to_string(state_)));
  spdlog::trace("control {}: {} -> {}", fmt::ptr(this), to_string(state_), to_string(*to));
  state_ = *to;
}

Status Control::bind() {
  if (of_datagrams_) {
    const std::weak_ptr<Control> weak = weak_from_this();
    auto made = Datagrams::bind(session_share(), opened_, [weak] {
      if (const auto control = weak.lock()) control->readiness_changed();
    });
    if (!made) return made.error();
    datagrams_ = std::move(*made);
    set_state(ControlEvent::kBind);
    return {};
  }
  auto bound = net::bind_stream(session().tenant().loop(), opened_.endpoint);
  if (!bound) return bound.error();
  bound_ = std::move(*bound);
  set_state(ControlEvent::kBind);
  return {};
}

Status Control::listen(int backlog) {
  if (!next(state_, ControlEvent::kListen) && state_ != ControlState::kReleased) {
    return Error{Errno::inval, "listening or in use"};
  }
  if (state_ != ControlState::kBound) {
    if (auto made = bind(); !made) return made.error();
  }
  net::Bound& bound = datagrams_ ? datagrams_->bound() : *bound_;
  auto listener = bound.listen(backlog == 0 ? kDefaultBacklog : backlog);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  (void)take_bound();
  set_state(ControlEvent::kListen);
  session().tenant().spawn(run_admit(shared_from_this()));
  return {};
}

Task<void> Control::run_admit(std::shared_ptr<Control> self) {
  const auto listener = self->listener_;
  while (self->state_ == ControlState::kListening) {
    if (!self->has_room_for_peer()) {
      co_await self->room_.wait();
      continue;
    }
    auto peer = co_await listener->accept();
    if (self->state_ != ControlState::kListening) {
      if (peer) (*peer)->abort();
      break;
    }
    if (peer) {
      co_await admit(self, std::move(*peer));
    } else {
      // Descriptors or kernel memory ran out; the peers stay in the backlog.
      spdlog::warn("{}: {}", self->session().tenant().name(), peer.error().detail);
      co_await wait_for_room(self, true);
    }
  }
}

bool Control::has_room_for_peer() const {
  return admitted_.size() + shaking_hands_.size() < (tls_ ? kMaxHandshakes : 1);
}

Task<void> Control::admit(std::shared_ptr<Control> self, std::shared_ptr<net::Connection> peer) {
  Session& session = self->session();
  Tenant& tenant = session.tenant();
  policy::Request request = self->opened_;
  request.operation = policy::Operation::kAccept;
  request.endpoint = peer->peer_endpoint();
  const std::string asked = policy::to_string(request.endpoint);
  const policy::Decision decision = tenant.policy().decide(request);
  tenant.audit().decision(session.subject(request.protocol), request.operation, asked, {}, decision);
  if (!decision.permitted()) {
    peer->refuse();
    co_return;
  }
  auto charge = session.connections_quota().charge(1);
  if (!charge)
    tenant.audit().quota(session.subject(request.protocol), "connections", session.connections_quota().used());
  while (!charge) {
    co_await wait_for_room(self, false);
    if (self->state_ != ControlState::kListening) {
      peer->abort();
      co_return;
    }
    charge = std::exchange(self->reserved_, std::nullopt);
  }
  Connection::Permit permit{std::move(request), decision.rule, asked, self->of_datagrams_};
  auto connection = std::make_shared<Connection>(self->session_share(), std::move(permit), std::move(*charge));
  if (self->tls_) {
    self->shaking_hands_.insert(connection);
    tenant.spawn(run_handshake(self, std::move(connection), std::move(peer)));
  } else {
    connection->adopt(std::move(peer));
    self->add_admitted(std::move(connection), false);
  }
}

Task<void> Control::run_handshake(std::shared_ptr<Control> self, std::shared_ptr<Connection> connection,
                                  std::shared_ptr<net::Connection> peer) {
  co_await Connection::shake_hands(connection, self->tls_, std::move(peer));
  self->shaking_hands_.erase(connection);
  self->room_.set();
  if (connection->state() == ConnectionState::kConnected) self->add_admitted(std::move(connection), false);
}

Task<void> Control::wait_for_room(std::shared_ptr<Control> self, bool descriptors) {
  const std::weak_ptr<Control> weak = self;
  if (!self->quota_waiter_.waits()) {
    self->quota_waiter_ = self->session().connections_quota().when_room(1, [control = self.get()](Charge room) {
      control->reserved_ = std::move(room);
      control->room_.set();
    });
  }
  // Descriptors may be freed by another tenant, of which this loop hears nothing.
  Timer retry(self->session().tenant().loop());
  if (descriptors) {
    retry.expires_after(kDescriptorRetry);
    retry.async_wait([weak](boost::system::error_code ec) {
      const auto control = weak.lock();
      if (!ec && control) control->room_.set();
    });
  }
  co_await self->room_.wait();
  if (descriptors) {  // nobody is held back for whom a place would have to be kept
    self->quota_waiter_.cancel();
    self->reserved_.reset();
  }
}

Task<Result<std::shared_ptr<Connection>>> Control::accept(bool nonblock, Call& call) {
  if (state_ != ControlState::kListening) co_return Error{Errno::inval, "not listening"};
  for (;;) {
    if (call.cancelled()) co_return Error{Errno::canceled, "call cancelled"};
    if (state_ != ControlState::kListening) co_return Error{Errno::badf, "control closed"};
    if (!admitted_.empty()) {
      auto connection = std::move(admitted_.front());
      admitted_.pop_front();
      room_.set();
      co_return connection;
    }
    if (nonblock) co_return Error{Errno::again, "nobody waits"};
    co_await accepting_.wait(call);
  }
}

void Control::keep(std::shared_ptr<Connection> connection) { add_admitted(std::move(connection), true); }

void Control::add_admitted(std::shared_ptr<Connection> connection, bool first) {
  if (state_ != ControlState::kListening) {
    connection->abort({Errno::connaborted, "control closed"});
    return;
  }
  admitted_.insert(first ? admitted_.begin() : admitted_.end(), std::move(connection));
  accepting_.wake_one();
  readiness_changed();
}

Result<std::shared_ptr<net::Bound>> Control::prepare_connect() {
  switch (state_) {
    case ControlState::kIdle:
      set_state(ControlEvent::kConnectFree);
      return std::shared_ptr<net::Bound>();
    case ControlState::kReleased:
      if (auto made = bind(); !made) return made.error();
      [[fallthrough]];
    case ControlState::kBound:
      set_state(ControlEvent::kConnectBound);
      return take_bound();
    case ControlState::kInUse:
      return Error{Errno::isconn, "one connection at a time from a fixed port"};
    case ControlState::kListening:
      return Error{Errno::inval, "listening"};
    case ControlState::kClosed:
      break;
  }
  return Error{Errno::badf, "control closed"};
}

void Control::bound_connection_over() {
  if (state_ == ControlState::kInUse) set_state(ControlEvent::kConnectionEnd);
}

Result<policy::Endpoint> Control::local_endpoint() const {
  if (listener_) return listener_->local_endpoint();
  if (datagrams_) return datagrams_->local_endpoint();
  if (bound_) return bound_->local_endpoint();
  if (state_ == ControlState::kInUse) return local_;
  if (state_ == ControlState::kReleased) return opened_.endpoint;  // the next use binds it anew
  return Error{Errno::notconn, "no socket"};
}

Result<std::shared_ptr<Datagrams>> Control::datagrams() {
  if (!of_datagrams_) return Error{Errno::notsup, "a control of streams"};
  switch (state_) {
    case ControlState::kIdle:
    case ControlState::kReleased:
      if (auto made = bind(); !made) return made.error();
      [[fallthrough]];
    case ControlState::kBound:
      return datagrams_;
    case ControlState::kInUse:
      return Error{Errno::isconn, "a connection uses the socket"};
    case ControlState::kListening:
      return Error{Errno::inval, "listening"};
    case ControlState::kClosed:
      break;
  }
  return Error{Errno::badf, "control closed"};
}

Status Control::prepare_poll() {
  if (!of_datagrams_ || (state_ != ControlState::kIdle && state_ != ControlState::kReleased)) return {};
  return bind();
}

std::shared_ptr<net::Bound> Control::take_bound() {
  std::shared_ptr<net::Bound> bound = std::exchange(bound_, nullptr);
  if (datagrams_) bound = std::exchange(datagrams_, nullptr)->take();
  local_ = bound->local_endpoint();
  return bound;
}

uint32_t Control::readiness() {
  if (datagrams_) return datagrams_->readiness();
  return admitted_.empty() ? 0 : kReadable;
}

void Control::record_dropped() {
  if (listener_->dropped() == 0) return;
  Tenant& tenant = session().tenant();
  policy::Request request = opened_;
  request.operation = policy::Operation::kListen;
  const std::string asked = policy::to_string(request.endpoint);
  Audit::Closed closed{};
  closed.operation = request.operation;
  closed.asked = asked;
  closed.rule = tenant.policy().decide(request).rule;
  closed.dropped = listener_->dropped();
  tenant.audit().closed(session().subject(request.protocol), closed);
}

void Control::last_handle_closed() {
  set_state(ControlEvent::kClose);
  if (datagrams_) datagrams_->close();
  datagrams_.reset();
  if (bound_) bound_->close();
  bound_.reset();
  if (listener_) {
    record_dropped();
    listener_->close();
  }
  const Error closed{Errno::connaborted, "control closed"};
  for (const auto& connection : std::exchange(admitted_, {})) connection->abort(closed);
  for (const auto& connection : std::exchange(shaking_hands_, {})) connection->abort(closed);
  accepting_.wake_all();
  quota_waiter_.cancel();
  reserved_.reset();
  room_.set();
}

}  // namespace wasi_netd::broker
