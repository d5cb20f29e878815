#include "client-shim/src/session.h"

#include <algorithm>

#include "client-shim/src/stream_queue.h"

namespace wasi_netd::shim {

Handle::Handle(std::shared_ptr<Session> session, std::string token)
    : x_session(std::move(session)), x_token(std::move(token)) {
  const Waker::Lock guard = x_session->waker()->lock();
  const auto early = x_session->x_early.find(x_token);
  if (early != x_session->x_early.end()) {
    readiness.event(early->second.ready);
    revoked = early->second.revoked;
  }
  x_session->x_handles.emplace(x_token, this);
}

Handle::~Handle() {
  const Waker::Lock guard = x_session->waker()->lock();
  const auto [first, last] = x_session->x_handles.equal_range(x_token);
  x_session->x_handles.erase(std::find_if(first, last, [this](const auto& entry) { return entry.second == this; }));
}

Errno Handle::usable() const {
  if (x_session->waker()->interrupted()) return err::intr;
  if (revoked) return err::notcapable;
  return x_session->lost() ? err::badf : err::success;
}

Errno Handle::broken_while_waiting() const {
  if (x_session->waker()->interrupted()) return err::intr;
  if (revoked) return err::notcapable;
  return x_session->lost() ? err::connaborted : err::success;
}

Session::Session(const std::shared_ptr<Waker>& waker, std::shared_ptr<Channel> channel)
    : BidiCall(waker), x_channel(std::move(channel)) {}

Errno Session::open(const std::shared_ptr<Waker>& waker, const std::shared_ptr<Channel>& channel,
                    const std::string& guest, uint64_t rights, std::shared_ptr<Session>& out) {
  const std::shared_ptr<Session> session(new Session(waker, channel));
  v1::Hello& hello = *session->x_request.mutable_hello();
  hello.set_guest(guest);
  if (rights != 0) hello.set_rights(rights);
  session->launch([&](grpc::ClientContext* context) {
    channel->stub.async()->OpenSession(context, static_cast<BidiCall*>(session.get()));
  });
  Errno result = err::success;
  {
    Waker::Lock lock = waker->lock();
    waker->wait(lock, [&] { return session->x_opened || session->done() || waker->interrupted(); });
    if (!session->x_opened) result = session->done() ? session->refusal(session->x_status) : err::intr;
  }
  if (result != err::success) {
    session->abort();
    return result;
  }
  channel->proven = true;
  out = session;
  return err::success;
}

// Why open() failed, once the call has completed.
Errno Session::refusal(const grpc::Status& status) const {
  if (x_refused != err::success) return x_refused;
  switch (status.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return err::acces;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return err::nfile;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return err::inval;
    default:
      return err::connaborted;
  }
}

bool Session::end(Deadline deadline) {
  Waker::Lock lock = x_waker->lock();
  x_end_due = true;
  advance(lock);
  return x_waker->wait(lock, deadline, [this] { return done(); });
}

void Session::abort() {
  cancel();
  Waker::Lock lock = x_waker->lock();
  x_waker->wait(lock, [this] { return done(); });
}

BidiCall<v1::SessionRequest, v1::SessionEvent>::Operations Session::next_operations() {
  Operations due;
  due.read = !x_reading;
  x_reading = true;
  if (x_end_due && !x_writing) {
    x_request.Clear();
    x_request.mutable_end();
    x_end_due = false;
    x_writing = due.write = true;
  }
  return due;
}

void Session::on_message(v1::SessionEvent& event) {
  x_reading = false;
  switch (event.event_case()) {
    case v1::SessionEvent::kOpened:
      x_token = event.opened().session();
      for (const v1::ProtocolObject& protocol : event.opened().protocols()) {
        x_protocols.push_back(
            {protocol.name(), protocol.handle(), {protocol.rights().base(), protocol.rights().inheriting()}});
      }
      x_linger_ms = event.opened().linger_ms();
      x_opened = true;
      break;
    case v1::SessionEvent::kReady:
      on_ready(event.ready());
      break;
    case v1::SessionEvent::kRevoked:
      on_revoked(event.revoked());
      break;
    case v1::SessionEvent::kRefused:
      x_refused = static_cast<Errno>(event.refused());
      break;
    // `closing` needs no act: the daemon itself refuses what is new.
    default:
      break;
  }
}

void Session::on_end(const grpc::Status& status) {
  x_lost = true;
  x_status = status;
}

void Session::on_ready(const v1::Ready& ready) {
  const auto [first, last] = x_handles.equal_range(ready.handle());
  if (first == last) x_early[ready.handle()].ready |= ready.readiness();
  for (auto handle = first; handle != last; ++handle) handle->second->readiness.event(ready.readiness());
}

void Session::on_revoked(const std::string& token) {
  const auto [first, last] = x_handles.equal_range(token);
  if (first == last) x_early[token].revoked = true;
  for (auto handle = first; handle != last; ++handle) {
    handle->second->revoked = true;
    if (handle->second->queue != nullptr) handle->second->queue->revoked();
  }
}

}  // namespace wasi_netd::shim
