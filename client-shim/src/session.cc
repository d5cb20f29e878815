#include "client-shim/src/session.h"

#include <algorithm>

#include "client-shim/src/stream_queue.h"

namespace wasi_netd::shim {

Handle::Handle(std::shared_ptr<Session> session, std::string token)
    : session_(std::move(session)), token_(std::move(token)) {
  const Waker::Lock guard = session_->waker()->lock();
  const auto early = session_->early_.find(token_);
  if (early != session_->early_.end()) {
    readiness.event(early->second.ready, early->second.next_size);
    revoked = early->second.revoked;
  }
  session_->handles_.emplace(token_, this);
}

Handle::~Handle() {
  const Waker::Lock guard = session_->waker()->lock();
  const auto [first, last] = session_->handles_.equal_range(token_);
  session_->handles_.erase(std::find_if(first, last, [this](const auto& entry) { return entry.second == this; }));
}

Errno Handle::usable() const {
  if (session_->waker()->interrupted()) return err::intr;
  if (revoked) return err::notcapable;
  return session_->lost() ? err::badf : err::success;
}

Errno Handle::broken_while_waiting() const {
  if (session_->waker()->interrupted()) return err::intr;
  if (revoked) return err::notcapable;
  return session_->lost() ? err::connaborted : err::success;
}

Session::Session(const std::shared_ptr<Waker>& waker, std::shared_ptr<Channel> channel)
    : BidiCall(waker), channel_(std::move(channel)) {}

Errno Session::open(const std::shared_ptr<Waker>& waker, const std::shared_ptr<Channel>& channel,
                    const std::string& guest, uint64_t rights, std::shared_ptr<Session>& out) {
  const std::shared_ptr<Session> session(new Session(waker, channel));
  v1::Hello& hello = *session->request_.mutable_hello();
  hello.set_guest(guest);
  if (rights != 0) hello.set_rights(rights);
  session->launch([&](grpc::ClientContext* context) {
    channel->stub.async()->OpenSession(context, static_cast<BidiCall*>(session.get()));
  });
  Errno result = err::success;
  {
    Waker::Lock lock = waker->lock();
    waker->wait(lock, [&] { return session->opened_ || session->done() || waker->interrupted(); });
    if (!session->opened_) result = session->done() ? session->refusal(session->status_) : err::intr;
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
  if (refused_ != err::success) return refused_;
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

void Session::tell_closed(const std::string& stream) {
  Waker::Lock lock = waker_->lock();
  if (lost_) return;
  closed_.push_back(stream);
  advance(lock);
}

bool Session::end(Deadline deadline) {
  Waker::Lock lock = waker_->lock();
  end_due_ = true;
  advance(lock);
  return waker_->wait(lock, deadline, [this] { return done(); });
}

void Session::abort() {
  cancel();
  Waker::Lock lock = waker_->lock();
  waker_->wait(lock, [this] { return done(); });
}

BidiCall<v1::SessionRequest, v1::SessionEvent>::Operations Session::next_operations() {
  Operations due;
  due.read = !reading_;
  reading_ = true;
  if (writing_) return due;
  if (!closed_.empty()) {
    request_.set_closed(std::move(closed_.front()));
    closed_.pop_front();
    writing_ = due.write = true;
  } else if (end_due_) {
    request_.mutable_end();
    end_due_ = false;
    writing_ = due.write = true;
  }
  return due;
}

void Session::on_message(v1::SessionEvent& event) {
  reading_ = false;
  switch (event.event_case()) {
    case v1::SessionEvent::kOpened:
      token_ = event.opened().session();
      for (const v1::ProtocolObject& protocol : event.opened().protocols()) {
        protocols_.push_back(
            {protocol.name(), protocol.handle(), {protocol.rights().base(), protocol.rights().inheriting()}});
      }
      linger_ms_ = event.opened().linger_ms();
      opened_ = true;
      break;
    case v1::SessionEvent::kReady:
      on_ready(event.ready());
      break;
    case v1::SessionEvent::kRevoked:
      on_revoked(event.revoked());
      break;
    case v1::SessionEvent::kPassingError:
      on_passing_error(event.passing_error());
      break;
    case v1::SessionEvent::kWriteEnded:
      on_write_ended(event.write_ended());
      break;
    case v1::SessionEvent::kRefused:
      refused_ = static_cast<Errno>(event.refused());
      break;
    // `closing` needs no act: the daemon itself refuses what is new.
    default:
      break;
  }
}

bool Session::on_written(bool) {
  writing_ = false;
  return false;
}

void Session::on_end(const grpc::Status& status) {
  lost_ = true;
  status_ = status;
}

void Session::on_ready(const v1::Ready& ready) {
  const auto [first, last] = handles_.equal_range(ready.handle());
  if (first == last) {
    Early& early = early_[ready.handle()];
    early.ready |= ready.readiness();
    early.next_size = ready.next_size();
  }
  for (auto handle = first; handle != last; ++handle) {
    handle->second->readiness.event(ready.readiness(), ready.next_size());
  }
}

void Session::on_passing_error(const v1::PassingError& event) {
  const auto [first, last] = handles_.equal_range(event.stream());
  for (auto handle = first; handle != last; ++handle) {
    if (handle->second->queue != nullptr) handle->second->queue->passing_error(static_cast<Errno>(event.error()));
  }
}

void Session::on_write_ended(const v1::WriteEnded& event) {
  const auto [first, last] = handles_.equal_range(event.stream());
  for (auto handle = first; handle != last; ++handle) {
    if (handle->second->queue != nullptr) handle->second->queue->write_failed(static_cast<Errno>(event.error()));
  }
}

void Session::on_revoked(const std::string& token) {
  const auto [first, last] = handles_.equal_range(token);
  if (first == last) early_[token].revoked = true;
  for (auto handle = first; handle != last; ++handle) {
    handle->second->revoked = true;
    if (handle->second->queue != nullptr) handle->second->queue->revoked();
  }
}

}  // namespace wasi_netd::shim
