#include "daemon/broker/datagrams.h"

#include <utility>

#include "daemon/broker/tenant.h"

namespace wasi_netd::broker {

namespace {
// Peers that may answer; and those that were recorded, which anybody on the network can add to, at the cost of the
// guest's buffers.
constexpr size_t kSentTo = 1024, kCameFrom = 64;
}  // namespace

net::DatagramOptions datagram_options(Session& session) {
  net::DatagramOptions options;
  options.buffers = &session.buffers_quota();
  return options;
}

Datagrams::Datagrams(std::shared_ptr<Session> session, policy::Request opened, std::function<void()> changed)
    : session_(std::move(session)),
      opened_(std::move(opened)),
      changed_(std::move(changed)),
      sent_to_(kSentTo, session_->buffers_quota()),
      came_from_(kCameFrom, session_->buffers_quota()),
      readable_(session_->tenant().loop()),
      writable_(session_->tenant().loop()) {}

Datagrams::~Datagrams() { close(); }

Result<std::shared_ptr<Datagrams>> Datagrams::bind(std::shared_ptr<Session> session, policy::Request opened,
                                                   std::function<void()> changed) {
  std::shared_ptr<Datagrams> self(new Datagrams(std::move(session), std::move(opened), std::move(changed)));
  net::DatagramOptions options = datagram_options(*self->session_);
  // Whoever has the socket after us judges its peers himself.
  options.admit = [weak = self->weak_from_this()](const policy::Endpoint& peer) {
    const auto datagrams = weak.lock();
    return !datagrams || !datagrams->live() || datagrams->admit(peer);
  };
  auto bound = net::bind_datagram(self->session_->tenant().loop(), self->opened_.endpoint, std::move(options));
  if (!bound) return bound.error();
  self->bound_ = std::move(*bound);
  self->local_ = self->bound_->local_endpoint();
  return self;
}

bool Datagrams::admit(const policy::Endpoint& peer) {
  const std::string text = policy::to_string(peer);
  const auto now = std::chrono::steady_clock::now();
  if (sent_to_.knows(text, now)) return true;
  policy::Request request = opened_;
  request.operation = policy::Operation::kRecvFrom;
  request.endpoint = peer;
  Tenant& tenant = session_->tenant();
  const policy::Decision decision = tenant.policy().decide(request);
  if (!decision.permitted()) ++refused_;
  if (came_from_.add(text, {}, now) != Peers::Added::kKnown) {
    if (const auto left_out = rate_.take(now)) {
      tenant.audit().decision(session_->subject(request.protocol), request.operation, text, {}, decision, *left_out);
    }
  }
  return decision.permitted();
}

Result<bool> Datagrams::permit(const policy::Endpoint& peer, const std::string& asked) {
  switch (sent_to_.add(policy::to_string(peer), asked, std::chrono::steady_clock::now())) {
    case Peers::Added::kNew:
      return true;
    case Peers::Added::kKnown:
      return false;
    case Peers::Added::kFull:
      break;
  }
  return Error{Errno::nobufs, "no room to remember the peer"};
}

Status Datagrams::send_now(std::string_view data, const policy::Endpoint& peer) {
  ready_ &= ~kWritable;  // whether there is room for more is for the next watch to find
  auto sent = bound_->send_now(data, peer);
  if (sent) bytes_out_ += data.size();
  const auto cannot_wait = std::exchange(cannot_wait_, std::nullopt);
  if (!sent && sent.error().code == Errno::again && cannot_wait) return *cannot_wait;
  return sent;
}

Result<net::Datagram> Datagrams::receive_now(size_t limit) {
  ready_ &= ~kReadable;
  auto got = bound_->receive_now(limit);
  if (got) bytes_in_ += got->data.size();
  return got;
}

Task<void> Datagrams::wait(std::shared_ptr<Datagrams> self, uint32_t direction, Call& call) {
  self->watch(direction);
  WaitList& list = direction == kReadable ? self->readable_ : self->writable_;
  co_await list.wait(call);
}

uint32_t Datagrams::next_size() const { return bound_ ? static_cast<uint32_t>(bound_->next_size()) : 0; }

void Datagrams::watch(uint32_t interest) {
  if (!bound_) return;
  for (const uint32_t direction : {kReadable, kWritable}) {
    if ((interest & direction) == 0 || (watching_ & direction) != 0) continue;
    watching_ |= direction;
    session_->tenant().spawn(run_watch(shared_from_this(), bound_, direction));
  }
}

Task<void> Datagrams::run_watch(std::shared_ptr<Datagrams> self, std::shared_ptr<net::DatagramBound> bound,
                                uint32_t direction) {
  if (direction == kReadable) {
    (void)co_await bound->wait_readable();
  } else {
    auto room = co_await bound->wait_writable();
    if (!room) self->cannot_wait_ = room.error();
  }
  if (!self->live()) co_return;
  self->watching_ &= ~direction;
  self->ready_ |= direction;
  (direction == kReadable ? self->readable_ : self->writable_).wake_all();
  self->changed_();
}

std::shared_ptr<net::DatagramBound> Datagrams::take() {
  if (bound_) over();
  auto bound = std::exchange(bound_, nullptr);
  ready_ = 0;
  readable_.wake_all();
  writable_.wake_all();
  return bound;
}

void Datagrams::close() {
  if (const auto bound = take()) bound->close();
}

void Datagrams::over() {
  Audit::Closed closed{};
  closed.dropped = bound_->dropped();
  if (bytes_in_ + bytes_out_ + refused_ + closed.dropped == 0) return;
  Tenant& tenant = session_->tenant();
  closed.operation = opened_.operation;
  const std::string asked = policy::to_string(opened_.endpoint);
  closed.asked = asked;
  closed.rule = tenant.policy().decide(opened_).rule;
  closed.bytes_in = bytes_in_;
  closed.bytes_out = bytes_out_;
  closed.refused = refused_;
  closed.duration = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
  tenant.audit().closed(session_->subject(opened_.protocol), closed);
}

}  // namespace wasi_netd::broker
