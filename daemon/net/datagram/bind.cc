// bind_datagram and dial_datagram: from an address to a socket.
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <netinet/in.h>

#include "daemon/net/bind_address.h"
#include "daemon/net/datagram/connected.h"
#include "daemon/net/datagram/unconnected.h"

namespace wasi_netd::net {
namespace {

// Which of this host's addresses a datagram is for: a peer gets its answer from there.
Status tell_local_address(int fd, policy::Family family) {
  const int on = 1;
  const int done = family == policy::Family::kIpv4 ? ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
                                                   : ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  return done == 0 ? Status() : Status(system_error(errno, "packet information"));
}

class DatagramDial final : public Dial, public std::enable_shared_from_this<DatagramDial> {
 public:
  DatagramDial(Loop loop, std::vector<Endpoint> targets, Targets which, DatagramOptions options,
               std::shared_ptr<Bound> bound)
      : loop_(loop),
        targets_(std::move(targets)),
        which_(which),
        options_(std::move(options)),
        bound_(std::move(bound)),
        added_(loop) {}

  Task<Result<std::shared_ptr<Connection>>> run() override { return run_task(shared_from_this()); }

  void cancel() override {
    canceled_ = true;
    if (bound_) bound_->close();
    added_.set();
  }

  void add(std::vector<Endpoint> targets) override {
    which_ = Targets::kAll;
    std::ranges::move(targets, std::back_inserter(targets_));
    added_.set();
  }

 private:
  static Task<Result<std::shared_ptr<Connection>>> run_task(std::shared_ptr<DatagramDial> self) {
    Error last{Errno::inval, "no address to connect to"};
    for (size_t next = 0;;) {
      if (self->canceled_) co_return canceled();
      if (next == self->targets_.size()) {
        if (self->which_ == Targets::kAll) co_return last;
        co_await self->added_.wait();
        continue;
      }
      const Endpoint target = self->targets_[next++];
      if (self->bound_) co_return co_await self->bound_->connect(target);  // it is used up
      auto connected = self->connect(target);
      if (connected) co_return std::shared_ptr<Connection>(std::move(*connected));
      last = connected.error();
    }
  }

  Result<std::shared_ptr<ConnectedDatagrams>> connect(const Endpoint& target) {
    auto fd = open_datagram_socket(target);
    if (!fd) return fd.error();
    auto socket = DatagramSocket::make(loop_, std::move(*fd));
    if (!socket) return socket.error();
    return ConnectedDatagrams::connect(std::move(*socket), policy::UnixEndpoint{}, target, BoundPath(), options_);
  }

  const Loop loop_;
  std::vector<Endpoint> targets_;
  Targets which_;
  const DatagramOptions options_;
  const std::shared_ptr<Bound> bound_;
  Event added_;
  bool canceled_ = false;
};

}  // namespace

Result<std::shared_ptr<DatagramBound>> bind_datagram(Loop loop, const Endpoint& endpoint, DatagramOptions options) {
  auto fd = open_datagram_socket(endpoint);
  if (!fd) return fd.error();
  const auto* ip = std::get_if<policy::IpEndpoint>(&endpoint);
  if (ip && ip->address.is_unspecified()) {
    if (auto told = tell_local_address(fd->get(), ip->address.family); !told) return told.error();
  }
  // No SO_REUSEADDR: on UDP it would let a second socket take the port from the first.
  auto own = bind_address(fd->get(), endpoint, BoundPath::bind_to_answer);
  if (!own) return own.error();
  auto socket = DatagramSocket::make(loop, std::move(*fd));
  if (!socket) {
    own->path.remove();
    return socket.error();
  }
  if (ip) {
    if (auto told = (*socket)->tell_peers(true); !told) return told.error();
  }
  return std::shared_ptr<DatagramBound>(std::make_shared<UnconnectedDatagrams>(
      std::move(*socket), std::move(own->endpoint), std::move(own->path), std::move(options)));
}

std::shared_ptr<Dial> dial_datagram(Loop loop, std::vector<Endpoint> targets, Targets which, DatagramOptions options,
                                    std::shared_ptr<Bound> bound) {
  return std::make_shared<DatagramDial>(loop, std::move(targets), which, std::move(options), std::move(bound));
}

}  // namespace wasi_netd::net
