#include "daemon/net/path.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "daemon/base/event.h"
#include "daemon/net/proxy/tunnel.h"
#include "daemon/net/socket.h"

namespace wasi_netd::net {
namespace {

using ConnectionPtr = std::shared_ptr<Connection>;

constexpr size_t kMaxTunnels = 4;

// The proxy works, and the destination is what it could not reach: another address of it may do.
bool is_of_destination(const Error& error) {
  switch (error.code) {
    case Errno::connrefused:
    case Errno::hostunreach:
    case Errno::netunreach:
    case Errno::afnosupport:
      return true;
    default:
      return false;
  }
}

// The first address of the bound socket's family; the first of all when there is none, which is then refused.
Endpoint reachable_from(const Endpoint& local, const std::vector<Endpoint>& addresses) {
  const auto* ip = std::get_if<policy::IpEndpoint>(&local);
  for (const Endpoint& address : addresses) {
    const auto* other = std::get_if<policy::IpEndpoint>(&address);
    if (ip && other && other->address.family == ip->address.family) return address;
  }
  return addresses.front();
}

class PathDial final : public Dial, public std::enable_shared_from_this<PathDial> {
 public:
  PathDial(Loop loop, std::shared_ptr<const Path> path, std::vector<Endpoint> targets, Targets which, Endpoint asked,
           std::shared_ptr<Bound> bound)
      : loop_(loop),
        path_(std::move(path)),
        targets_(std::move(targets)),
        which_(which),
        asked_(std::move(asked)),
        bound_(std::move(bound)),
        added_(loop) {}

  Task<Result<ConnectionPtr>> run() override { return run_task(shared_from_this()); }

  void cancel() override {
    canceled_ = true;
    bound_ = nullptr;  // where it has not begun
    if (auto stop = std::exchange(stop_, nullptr)) stop();
    added_.set();
  }

  void add(std::vector<Endpoint> targets) override {
    which_ = Targets::kAll;
    if (race_) return race_->add(std::move(targets));
    std::ranges::move(targets, std::back_inserter(targets_));
    added_.set();
  }

 private:
  using Self = std::shared_ptr<PathDial>;

  static Task<Result<ConnectionPtr>> run_task(Self self) {
    Result<ConnectionPtr> made = canceled();
    if (self->path_->proxy) {
      made = co_await through_proxy(self);
    } else {
      made = co_await to_targets(self);
    }
    if (made && self->path_->tls) made = co_await with_tls(self, self->path_->tls, std::move(*made), self->asked_);
    self->stop_ = nullptr;
    co_return made;
  }

  // What cancel() does from here on; false, with nothing stored, when it came already.
  bool on_cancel(std::function<void()> stop) {
    if (canceled_) return false;
    stop_ = std::move(stop);
    return true;
  }

  static Task<Result<ConnectionPtr>> to_targets(Self self) {
    if (!self->bound_) self->race_ = dial_stream(self->loop_, self->targets_, self->which_);
    co_return co_await socket_to(self, self->targets_, self->race_);
  }

  static Task<Result<ConnectionPtr>> socket_to(Self self, std::vector<Endpoint> addresses, std::shared_ptr<Dial> race) {
    if (auto bound = std::move(self->bound_)) {
      if (!self->on_cancel([bound] { bound->close(); })) co_return canceled();
      co_return co_await bound->connect(reachable_from(bound->local_endpoint(), addresses));
    }
    if (!race) race = dial_stream(self->loop_, std::move(addresses));
    if (!self->on_cancel([race] { race->cancel(); })) co_return canceled();
    co_return co_await race->run();
  }

  static Task<Result<ConnectionPtr>> with_tls(Self self, std::shared_ptr<TlsContext> context, ConnectionPtr inner,
                                              Endpoint expected) {
    if (!self->on_cancel([inner] { inner->abort(); })) {
      inner->abort();
      co_return canceled();
    }
    co_return co_await tls_connect(std::move(context), inner, std::move(expected));
  }

  static Task<Result<ConnectionPtr>> through_proxy(Self self) {
    Result<ConnectionPtr> made = Error{Errno::inval, "no address to connect to"};
    // A bound socket is used up by the first.
    const size_t most = self->bound_ ? 1 : kMaxTunnels;
    for (size_t i = 0; i < most; ++i) {
      self->stop_ = nullptr;
      while (i == self->targets_.size() && self->which_ == Targets::kMore && !self->canceled_) {
        co_await self->added_.wait();
      }
      if (i == self->targets_.size()) break;
      made = co_await to_proxy(self);
      if (!made) break;
      const ConnectionPtr connection = *made;
      if (!self->on_cancel([connection] { connection->abort(); })) {
        connection->abort();
        co_return canceled();
      }
      made = co_await open_tunnel(*self->path_->proxy, connection, self->targets_[i]);
      if (made || !is_of_destination(made.error())) break;
    }
    co_return made;
  }

  static Task<Result<ConnectionPtr>> to_proxy(Self self) {
    auto addresses = co_await proxy_addresses(self);
    if (!addresses) co_return addresses.error();
    auto made = co_await socket_to_proxy(self, std::move(*addresses));
    if (made && self->path_->proxy_tls) {
      made = co_await with_tls(self, self->path_->proxy_tls, std::move(*made), self->path_->proxy->address);
    }
    if (!made && made.error().code != Errno::canceled) co_return self->of_proxy(made.error());
    co_return made;
  }

  // Within the proxy's time: the kernel's own is about two minutes.
  static Task<Result<ConnectionPtr>> socket_to_proxy(Self self, std::vector<Endpoint> addresses) {
    // Shared with the timer's handler, which may be on its way already when the socket is there.
    struct Deadline {
      bool armed = true;
      bool passed = false;
    };
    const auto deadline = std::make_shared<Deadline>();
    const auto timeout = self->path_->proxy->timeout;
    Timer limit(self->loop_, timeout);
    limit.async_wait([self, deadline](const boost::system::error_code& ec) {
      if (ec || !deadline->armed) return;
      deadline->passed = true;
      if (auto stop = std::exchange(self->stop_, nullptr)) stop();
    });
    auto made = co_await socket_to(self, std::move(addresses), nullptr);
    deadline->armed = false;
    if (made || !deadline->passed || self->canceled_) co_return made;
    co_return Error{Errno::timedout, "not connected within " + std::to_string(timeout.count()) + " ms"};
  }

  static Task<Result<std::vector<Endpoint>>> proxy_addresses(Self self) {
    const Endpoint& proxy = self->path_->proxy->address;
    const auto* name = std::get_if<policy::NameEndpoint>(&proxy);
    if (!name) co_return std::vector<Endpoint>(1, proxy);
    asio::cancellation_signal stop;
    if (!self->on_cancel([&stop] { stop.emit(asio::cancellation_type::terminal); })) co_return canceled();
    // One family's addresses will do: a proxy that is there is there under each of them.
    Result<Answer> enough = canceled();
    const Resolver::Early early = [&enough, &stop](const Answer& first) {
      enough = first;
      stop.emit(asio::cancellation_type::terminal);
    };
    auto answer = co_await self->path_->proxy_resolver->resolve(name->name, stop.slot(), early);
    self->stop_ = nullptr;
    if (self->canceled_) co_return canceled();
    if (enough) answer = std::move(enough);
    if (!answer) co_return self->of_proxy(answer.error());
    std::vector<Endpoint> addresses;
    for (const policy::IpAddress& address : answer->addresses) {
      addresses.push_back(policy::IpEndpoint{address, name->port});
    }
    co_return addresses;
  }

  Error of_proxy(const Error& error) const {
    // `again`, of a name server that failed, would mean something else to a guest with a non-blocking fd.
    const Errno code = error.code == Errno::again ? Errno::io : error.code;
    return {code, "proxy " + policy::to_string(path_->proxy->address) + ": " + error.detail};
  }

  const Loop loop_;
  const std::shared_ptr<const Path> path_;
  std::vector<Endpoint> targets_;
  Targets which_;
  std::shared_ptr<Dial> race_;  // for the targets, without a proxy
  const Endpoint asked_;
  std::shared_ptr<Bound> bound_;
  Event added_;                 // add(), or cancel()
  std::function<void()> stop_;  // ends the step under way
  bool canceled_ = false;
};

}  // namespace

std::shared_ptr<Dial> dial_path(Loop loop, std::shared_ptr<const Path> path, std::vector<Endpoint> targets,
                                Targets which, Endpoint asked, std::shared_ptr<Bound> bound) {
  return std::make_shared<PathDial>(loop, std::move(path), std::move(targets), which, std::move(asked),
                                    std::move(bound));
}

}  // namespace wasi_netd::net
