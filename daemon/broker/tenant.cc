#include "daemon/broker/tenant.h"

#include <spdlog/spdlog.h>

#include "daemon/broker/connection.h"
#include "daemon/broker/protocol.h"

namespace wasi_netd::broker {

Tenant::Tenant(Loop loop, std::shared_ptr<const policy::TenantPolicy> policy, std::chrono::milliseconds linger,
               AuditLog& log)
    : loop_(std::move(loop)),
      policy_(std::move(policy)),
      linger_(linger),
      audit_(log),
      sessions_quota_("sessions", policy_->limits().sessions.value_or(kDefaultSessions)),
      handles_quota_("handles", policy_->limits().handles.value_or(kDefaultHandles)),
      connections_quota_("connections", policy_->limits().connections.value_or(kDefaultConnections)),
      buffers_quota_("buffers", policy_->limits().buffers.value_or(kDefaultBuffers)),
      host_connections_quota_("host connections",
                              policy_->limits().host_connections.value_or(kDefaultHostConnections)) {}

Tenant::~Tenant() = default;

Status Tenant::prepare() {
  for (const policy::Protocol* protocol : policy_->protocols()) {
    auto runtime = ProtocolRuntime::make(loop_, *protocol);
    if (!runtime) return runtime.error();
    runtimes_.emplace(protocol->name, std::move(*runtime));
  }
  return {};
}

Result<Tenant::Opened> Tenant::open_session(std::string guest, RightSet ceiling) {
  if (draining_) return Error{Errno::connaborted, "draining"};
  if (guest.size() > kMaxGuestName) return Error{Errno::inval, "guest name too long"};
  const auto view = policy_->guest(guest);
  if (!view) {
    audit_.guest_refused({name(), {}, guest, {}});
    return Error{Errno::acces, "guest not admitted"};
  }
  auto charge = sessions_quota_.charge(1);
  if (!charge) {
    audit_.quota({name(), {}, guest, {}}, "sessions", sessions_quota_.used());
    return Error{Errno::nfile, "session quota"};
  }
  auto session = std::make_shared<Session>(*this, std::move(guest), view->limits, std::move(*charge));
  sessions_.emplace(session->token(), session);
  Opened opened{session, {}};
  for (const policy::Protocol* protocol : view->protocols) {
    auto object = std::make_shared<Protocol>(session, *protocol);
    auto handle = session->insert(std::move(object), protocol_rights(protocol->rights, ceiling));
    if (!handle) {
      session->abort();
      return handle.error();
    }
    opened.protocols.push_back({protocol->name, *handle});
  }
  return opened;
}

std::shared_ptr<Session> Tenant::find_session(const Token& token) const {
  const auto found = sessions_.find(token);
  return found == sessions_.end() ? nullptr : found->second;
}

void Tenant::remove_session(const Session& session) {
  sessions_.erase(session.token());
  tell_idle();
}

bool Tenant::spawn(Task<void> flow) {
  auto held = gate_.enter();
  if (!held) return false;
  boost::asio::co_spawn(loop_, std::move(flow), [held = std::move(*held), name = name()](std::exception_ptr escaped) {
    // Our own flows return their errors; what escapes is memory exhaustion or a bug.
    if (escaped) bug("flow returned", __FILE__, __LINE__, name);
  });
  return true;
}

void Tenant::drain(std::function<void()> idle) {
  draining_ = true;
  for (const auto& [token, session] : sessions_) session->tell_closing();
  if (idle) idle_ = std::move(idle);
  tell_idle();
}

void Tenant::tell_idle() {
  if (!draining_ || !sessions_.empty()) return;
  if (auto idle = std::exchange(idle_, nullptr)) idle();
}

void Tenant::stop(std::function<void()> done) {
  draining_ = true;
  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& [token, session] : sessions_) sessions.push_back(session);
  for (const auto& session : sessions) session->abort();
  std::vector<std::shared_ptr<Connection>> connections;
  for (Connection* connection : connections_) connections.push_back(connection->shared_from_this());
  for (const auto& connection : connections) connection->abort({Errno::connaborted, "daemon stops"});
  for (const auto& [name, runtime] : runtimes_) runtime.close();
  gate_.close(std::move(done));
}

}  // namespace wasi_netd::broker
