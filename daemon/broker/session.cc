#include "daemon/broker/session.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "daemon/broker/connection.h"
#include "daemon/broker/stream.h"
#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {
namespace {

constexpr size_t kMaxKnownNames = 1024;

uint64_t limit_of(const std::optional<uint64_t>& limit) { return limit.value_or(Quota::kUnlimited); }

// The connection behind a handle's object, if there is one.
Connection* connection_of(const Object& object) {
  if (object.kind() == Kind::kConnection) return const_cast<Connection*>(static_cast<const Connection*>(&object));
  if (object.kind() == Kind::kStream) return &static_cast<const Stream&>(object).connection();
  return nullptr;
}

bool in_transfer_by(const Object& object, const Token& handle) {
  return object.kind() == Kind::kStream && static_cast<const Stream&>(object).in_transfer_by(handle);
}

}  // namespace

Session::Session(Tenant& tenant, std::string guest, const policy::Limits& limits, Charge charge)
    : tenant_(tenant),
      guest_(std::move(guest)),
      charge_(std::move(charge)),
      handles_quota_("session handles", limit_of(limits.handles), &tenant.handles_quota()),
      connections_quota_("session connections", limit_of(limits.connections), &tenant.connections_quota()),
      buffers_quota_("session buffers", limit_of(limits.buffers), &tenant.buffers_quota()),
      changed_(tenant.loop()),
      handles_fewer_(tenant.loop()) {}

Session::~Session() = default;

AuditSubject Session::subject(std::string_view protocol) const { return {tenant_.name(), label_, guest_, protocol}; }

Result<NewHandle> Session::insert(std::shared_ptr<Object> object, const Rights& rights) {
  if (over()) return Error{Errno::connaborted, "session is over"};
  if (!has_room_for_handle()) return Error{Errno::mfile, "handle quota"};
  auto charge = handles_quota_.charge(1);
  const Token token = Token::make();
  object->handle_opened();
  handles_.emplace(token, Handle{std::move(object), rights, std::move(*charge)});
  return NewHandle{token, rights};
}

bool Session::has_room_for_handle() {
  if (handles_quota_.charge(1)) return true;
  tenant_.audit().quota(subject(), "handles", handles_quota_.used());
  return false;
}

Result<Handle*> Session::find(const Token& token, RightSet needed) {
  const auto found = handles_.find(token);
  if (found == handles_.end()) return Error{Errno::badf, "no such handle"};
  if ((needed & ~found->second.rights.base) != 0) return Error{Errno::notcapable, "right missing"};
  return &found->second;
}

Result<Handle*> Session::find(const Token& token, Kind kind, RightSet needed) {
  auto handle = find(token, 0);
  if (!handle) return handle;
  if ((*handle)->object->kind() != kind) return Error{Errno::inval, "another kind of handle"};
  return find(token, needed);
}

Status Session::close(const Token& token) {
  const auto found = handles_.find(token);
  if (found == handles_.end()) return Error{Errno::badf, "no such handle"};
  // Out of the table first: what the object does next may look at the table.
  const Handle handle = std::move(found->second);
  handles_.erase(found);
  ready_.erase(token);
  passing_errors_.erase(token);
  write_ended_.erase(token);
  handle.object->disarm(token);
  handle.object->handle_closed();
  handles_fewer_.set();
  return {};
}

void Session::tell_ready(const Token& handle, uint32_t readiness, uint32_t next_size) {
  Ready& ready = ready_[handle];
  ready.readiness |= readiness;
  ready.next_size = next_size;
  changed_.set();
}

void Session::tell_passing_error(const Token& handle, Errno error) {
  if (!handles_.contains(handle)) return;
  passing_errors_[handle] = error;
  changed_.set();
}

void Session::tell_write_ended(const Token& handle, Errno error) {
  if (!handles_.contains(handle)) return;
  write_ended_[handle] = error;
  changed_.set();
}

void Session::tell_closing() {
  closing_ = true;
  changed_.set();
}

Task<SessionEvent> Session::next_event() {
  for (;;) {
    if (std::exchange(closing_, false)) co_return SessionEvent{SessionEvent::Kind::kClosing, {}};
    if (!passing_errors_.empty()) {
      const auto first = passing_errors_.begin();
      const SessionEvent event{SessionEvent::Kind::kPassingError, first->first, 0, 0, first->second};
      passing_errors_.erase(first);
      co_return event;
    }
    if (!write_ended_.empty()) {
      const auto first = write_ended_.begin();
      const SessionEvent event{SessionEvent::Kind::kWriteEnded, first->first, 0, 0, first->second};
      write_ended_.erase(first);
      co_return event;
    }
    if (!ready_.empty()) {
      const auto first = ready_.begin();
      const SessionEvent event{SessionEvent::Kind::kReady, first->first, first->second.readiness,
                               first->second.next_size};
      ready_.erase(first);
      co_return event;
    }
    if (ended_) co_return SessionEvent{SessionEvent::Kind::kEnd, {}};
    co_await changed_.wait();
  }
}

void Session::remember_answer(const std::string& protocol, const policy::IpAddress& address, const std::string& name,
                              std::chrono::seconds ttl) {
  const auto key = std::make_tuple(protocol, policy::to_string(address), name);
  if (names_.size() >= kMaxKnownNames && !names_.contains(key)) {
    const auto sooner = [](const auto& one, const auto& other) { return one.second.until < other.second.until; };
    names_.erase(std::min_element(names_.begin(), names_.end(), sooner));
  }
  names_[key] = {std::chrono::steady_clock::now() + ttl, ++answers_};
}

std::vector<std::string> Session::names_of(const std::string& protocol, const policy::IpAddress& address) const {
  const std::string text = policy::to_string(address);
  const auto now = std::chrono::steady_clock::now();
  std::map<uint64_t, std::string, std::greater<>> latest;
  for (auto it = names_.lower_bound({protocol, text, {}}); it != names_.end(); ++it) {
    const auto& [of_protocol, of_address, name] = it->first;
    if (of_protocol != protocol || of_address != text) break;
    if (it->second.until >= now) latest.emplace(it->second.answer, name);
  }
  std::vector<std::string> names;
  names.reserve(latest.size());
  for (auto& [answer, name] : latest) names.push_back(std::move(name));
  return names;
}

void Session::stream_closed(const Token& token) {
  const auto stream = find<Stream>(token, Kind::kStream, 0);
  if (stream && (*stream)->in_transfer_by(token)) (*stream)->close_within(tenant_.linger());
}

void Session::close_handles(bool keep_transfers) {
  std::vector<Token> doomed;
  for (const auto& [token, handle] : handles_) {
    if (!keep_transfers || !in_transfer_by(*handle.object, token)) doomed.push_back(token);
  }
  for (const Token& token : doomed) (void)close(token);
}

Session::CancelAtEnd::CancelAtEnd(Session& session, Call& call) : session_(session), call_(call) {
  session.waiting_.insert(&call);
  if (session.over()) call.cancel();
}

void Session::cancel_waiting() {
  // A call that is cancelled may take itself out.
  for (Call* call : std::exchange(waiting_, {})) call->cancel();
}

Task<void> Session::end(std::chrono::milliseconds linger) {
  const auto self = shared_from_this();
  ending_ = true;
  cancel_waiting();
  close_handles(true);
  Timer deadline(tenant_.loop(), linger);
  const auto expired = std::make_shared<bool>(false);  // the timer's handler may outlive this frame
  deadline.async_wait([self, expired](boost::system::error_code ec) {
    if (ec) return;
    *expired = true;
    self->handles_fewer_.set();
  });
  // What is left is in transfer, and a transfer's end closes its handle.
  while (!ended_ && !*expired && !handles_.empty()) co_await handles_fewer_.wait();
  deadline.cancel();
  in_order_ = !ended_;
  abort();
}

void Session::abort() {
  if (std::exchange(ended_, true)) return;
  const auto self = shared_from_this();  // the tenant's share goes below
  std::vector<std::shared_ptr<Object>> objects;
  for (const auto& [token, handle] : handles_) objects.push_back(handle.object);
  for (const auto& object : objects) {
    // What the guest closed before is on its way, in the kernel's hands, and arrives whatever becomes of the guest.
    Connection* connection = connection_of(*object);
    if (connection && connection->state() != ConnectionState::kEnding) {
      connection->abort({Errno::connaborted, "session ended"});
    }
    if (object->kind() == Kind::kStream) static_cast<Stream&>(*object).cut_transfer();
  }
  cancel_waiting();
  close_handles(false);
  tenant_.remove_session(*this);
  charge_.release();
  changed_.set();
  handles_fewer_.set();
}

}  // namespace wasi_netd::broker
