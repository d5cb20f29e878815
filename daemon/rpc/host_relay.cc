#include "daemon/rpc/host_relay.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace wasi_netd::rpc {
namespace {

using Socket = HostRelay::Socket;

// False: the other side is gone.
Task<bool> send_all(Socket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return false;
    auto [ec] = co_await socket.async_wait(Socket::wait_write, net::kTuple);
    if (ec) co_return false;
  }
  co_return true;
}

void end(Socket& socket, Socket::shutdown_type what) {
  boost::system::error_code ignored;
  socket.shutdown(what, ignored);
}

}  // namespace

HostRelay::HostRelay(broker::Tenant& tenant, Socket host, Socket grpc, Charge charge)
    : tenant_(tenant),
      host_(std::move(host)),
      grpc_(std::move(grpc)),
      charge_(std::move(charge)),
      released_(tenant.loop()) {}

Result<std::shared_ptr<HostRelay>> HostRelay::make(broker::Tenant& tenant, Socket host, Charge charge,
                                                   net::UniqueFd& grpc_end) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
    return system_error(errno, "socketpair");
  }
  grpc_end.reset(pair[1]);
  Socket grpc(tenant.loop());
  boost::system::error_code ec;
  grpc.assign(boost::asio::local::stream_protocol(), pair[0], ec);
  if (ec) {
    ::close(pair[0]);
    return system_error(ec, "socketpair");
  }
  host.native_non_blocking(true, ec);
  return std::shared_ptr<HostRelay>(new HostRelay(tenant, std::move(host), std::move(grpc), std::move(charge)));
}

void HostRelay::start(Over over) {
  over_ = std::move(over);
  flows_ = 2;
  if (!tenant_.spawn(run_in(shared_from_this()))) flow_ended();
  if (!tenant_.spawn(run_out(shared_from_this()))) flow_ended();
}

void HostRelay::host_ended() {
  host_takes_ = false;
  end(host_, Socket::shutdown_send);  // wakes a write that waits
}

void HostRelay::finish() {
  finishing_ = true;
  end(grpc_, Socket::shutdown_send);
}

void HostRelay::cut() {
  end(host_, Socket::shutdown_both);
  end(grpc_, Socket::shutdown_both);
}

void HostRelay::flow_ended() {
  if (--flows_ == 0 && over_) std::exchange(over_, nullptr)(gate_.violation());
}

Task<void> HostRelay::run_in(std::shared_ptr<HostRelay> self) {
  HostRelay& my = *self;
  size_t have = 0;
  for (bool open = true; open;) {
    const auto room = boost::asio::buffer(my.in_.data() + have, my.in_.size() - have);
    auto [ec, count] = co_await my.host_.async_read_some(room, net::kTuple);
    if (ec) break;
    have += count;
    size_t at = 0;
    for (bool more = true; more && open;) {
      const Http2Gate::FromHost step = my.gate_.from_host(std::string_view(my.in_.data() + at, have - at));
      open = co_await send_all(my.grpc_, std::string_view(my.in_.data() + at, step.pass));
      at += step.pass;
      switch (step.next) {
        case Http2Gate::Next::kRead:
          more = false;
          break;
        case Http2Gate::Next::kBarrier:
          if (open) open = co_await send_all(my.grpc_, Http2Gate::kBarrier);
          break;
        case Http2Gate::Next::kWait:
          if (open) co_await my.released_.wait();
          open = !my.grpc_gone_;
          break;
        case Http2Gate::Next::kCut:
          end(my.host_, Socket::shutdown_both);
          open = false;
          break;
      }
    }
    have -= at;
    std::memmove(my.in_.data(), my.in_.data() + at, have);
  }
  if (!my.finishing_) my.host_ended();
  end(my.grpc_, Socket::shutdown_send);
  my.flow_ended();
}

Task<void> HostRelay::run_out(std::shared_ptr<HostRelay> self) {
  HostRelay& my = *self;
  size_t have = 0;
  for (;;) {
    const auto room = boost::asio::buffer(my.out_.data() + have, my.out_.size() - have);
    auto [ec, count] = co_await my.grpc_.async_read_some(room, net::kTuple);
    if (ec) break;
    have += count;
    size_t at = 0;
    for (;;) {
      const Http2Gate::FromGrpc step = my.gate_.from_grpc(std::string_view(my.out_.data() + at, have - at));
      if (my.host_takes_ && step.pass > 0) {
        const bool taken = co_await send_all(my.host_, std::string_view(my.out_.data() + at, step.pass));
        if (!taken) my.host_ended();
      }
      at += step.pass + step.drop;
      if (step.released) my.released_.set();
      if (step.drop == 0) break;
    }
    have -= at;
    std::memmove(my.out_.data(), my.out_.data() + at, have);
  }
  my.grpc_gone_ = true;
  my.cut();
  my.released_.set();
  my.flow_ended();
}

}  // namespace wasi_netd::rpc
