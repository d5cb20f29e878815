#include "policy/policy.h"

#include <algorithm>

#include "policy/printable.h"
#include "policy/state.h"

namespace wasi_netd::policy {
namespace {

constexpr std::pair<Operation, std::string_view> kOperations[] = {
    {Operation::kOpen, "open"},          {Operation::kListen, "listen"},   {Operation::kConnect, "connect"},
    {Operation::kAccept, "accept"},      {Operation::kResolve, "resolve"}, {Operation::kSendTo, "send_to"},
    {Operation::kRecvFrom, "recv_from"},
};

}  // namespace

std::string to_string(const RuleRef& rule) { return rule.file + ":" + std::to_string(rule.line); }

std::string to_string(const LoadError& error) {
  std::string text = error.file;
  if (error.line > 0) text += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
  return printable(text + ": " + error.message);
}

std::string_view to_string(Operation operation) {
  for (const auto& [value, word] : kOperations) {
    if (value == operation) return word;
  }
  return "operation";
}

std::optional<Operation> parse_operation(std::string_view text) {
  for (const auto& [value, word] : kOperations) {
    if (word == text) return value;
  }
  return std::nullopt;
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAllow:
      return "allow";
    case Verdict::kDeny:
      return "deny";
    case Verdict::kWouldDeny:
      return "would_deny";
  }
  return "deny";
}

RightSet rights_for(Operation operation) {
  switch (operation) {
    case Operation::kOpen:
      return right::net_open;
    case Operation::kListen:
      return right::net_listen;
    case Operation::kConnect:
      return right::net_connect;
    case Operation::kAccept:
      return right::net_accept | right::sock_accept;  // either lets a guest take peers
    case Operation::kResolve:
      return right::net_resolve;
    case Operation::kSendTo:
      return right::net_send_to;
    case Operation::kRecvFrom:
      return right::net_recv_from;
  }
  return right::kAll;
}

RightSet implied_rights(Transport transport, const Sections& has, bool audit) {
  constexpr RightSet kEndpoint = right::net_open | right::net_stream_create | right::net_stream_accept |
                                 right::fd_read | right::fd_write | right::sock_shutdown | right::poll_fd_readwrite |
                                 right::fd_fdstat_set_flags | right::fd_filestat_get;
  constexpr RightSet kServer = right::net_listen | right::net_accept | right::sock_accept;
  // A datagram would pass `tls:` by.
  const bool datagrams = transport == Transport::kUdp || (transport == Transport::kUnix && !has.tls);
  RightSet rights = 0;
  if (has.connect || has.open || has.accept || audit) rights |= kEndpoint;
  if (has.connect || audit) rights |= right::net_connect;
  if ((has.connect || audit) && uses_ip(transport)) rights |= right::net_resolve;
  if ((has.connect || audit) && datagrams) rights |= right::net_send_to | right::net_recv_from;
  if ((has.accept || audit) && datagrams) rights |= right::net_recv_from;
  if (has.open || has.accept || audit) rights |= kServer;
  return rights;
}

TenantPolicy::TenantPolicy() = default;
TenantPolicy::~TenantPolicy() = default;

const std::string& TenantPolicy::tenant() const { return state_->tenant; }
const std::string& TenantPolicy::file() const { return state_->file; }
const Limits& TenantPolicy::limits() const { return state_->limits; }
const Limits& TenantPolicy::session_limits() const { return state_->session_limits; }

bool TenantPolicy::peer_allowed(uint32_t uid, uint32_t gid) const {
  return std::ranges::any_of(state_->peers, [&](const Peer& peer) {
    return (!peer.uid || *peer.uid == uid) && (!peer.gid || *peer.gid == gid);
  });
}

std::optional<TenantPolicy::GuestView> TenantPolicy::guest(std::string_view name) const {
  const GuestState* guest = nullptr;
  if (state_->guests) {
    const auto found = state_->guests->find(name);
    if (found == state_->guests->end()) return std::nullopt;
    guest = &found->second;
  }
  GuestView view;
  view.limits = guest != nullptr ? guest->limits : state_->session_limits;
  for (const auto& [protocol, state] : state_->protocols) {
    const bool given = guest == nullptr || !guest->protocols || guest->protocols->contains(protocol);
    if (given) view.protocols.push_back(&state.protocol);
  }
  return view;
}

std::vector<const Protocol*> TenantPolicy::protocols() const {
  std::vector<const Protocol*> all;
  for (const auto& [name, state] : state_->protocols) all.push_back(&state.protocol);
  return all;
}

const Protocol* TenantPolicy::protocol(std::string_view name) const {
  const auto found = state_->protocols.find(name);
  return found == state_->protocols.end() ? nullptr : &found->second.protocol;
}

Decision TenantPolicy::decide(const Request& request) const {
  const auto answer = [this](Verdict verdict, const Place* place, std::string reason) {
    return Decision{verdict, RuleRef{state_->file, place->line, place->column, place->text}, std::move(reason)};
  };
  if (state_->guests) {
    const auto guest = state_->guests->find(request.guest);
    if (guest == state_->guests->end()) {
      const char* reason =
          request.guest.empty() ? "an unnamed guest is not admitted" : "no guest of this name is admitted";
      return answer(Verdict::kDeny, state_->guests_place, reason);
    }
    if (guest->second.protocols && !guest->second.protocols->contains(request.protocol)) {
      return answer(Verdict::kDeny, guest->second.place, "the guest does not have this protocol");
    }
  }
  const auto protocol = state_->protocols.find(request.protocol);
  if (protocol == state_->protocols.end()) {
    return answer(Verdict::kDeny, state_->protocols_place, "the tenant does not have this protocol");
  }
  Judgement judgement = judge(protocol->second, state_->reserved, request);
  switch (judgement.outcome) {
    case Judgement::Outcome::kAllow:
      return answer(Verdict::kAllow, judgement.place, std::move(judgement.reason));
    case Judgement::Outcome::kRefuse: {
      const Verdict verdict = state_->audit ? Verdict::kWouldDeny : Verdict::kDeny;
      return answer(verdict, judgement.place, std::move(judgement.reason));
    }
    case Judgement::Outcome::kForbid:
      break;
  }
  return answer(Verdict::kDeny, judgement.place, std::move(judgement.reason));
}

}  // namespace wasi_netd::policy
