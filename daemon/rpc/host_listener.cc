#include "daemon/rpc/host_listener.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace wasi_netd::rpc {
namespace {

constexpr std::chrono::milliseconds kAcceptRetry{200};
constexpr std::chrono::seconds kQuiet{1};
constexpr int kBacklog = 128;

// A socket file that a dead daemon left answers connects with ECONNREFUSED.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return Error{Errno::exist, path + ": exists and is not a socket"};
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return system_error(errno, "socket");
  const int connected = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int reason = errno;
  ::close(probe);
  if (connected == 0 || reason == EAGAIN) {
    return Error{Errno::addrinuse, path + ": another process listens here; stop it or choose another --runtime-dir"};
  }
  if (reason != ECONNREFUSED) return system_error(reason, path);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(errno, path);
  return {};
}

}  // namespace

HostListener::HostListener(broker::Tenant& tenant, std::string path, Admit admit)
    : tenant_(tenant),
      path_(std::move(path)),
      admit_(std::move(admit)),
      acceptor_(tenant.loop()),
      hangups_(tenant.loop()),
      quiet_end_(tenant.loop()),
      patience_(tenant.loop()) {}

HostListener::~HostListener() { cut_all(); }

Result<std::shared_ptr<HostListener>> HostListener::open(broker::Tenant& tenant, const std::string& path, Admit admit) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{Errno::nametoolong, path + ": longer than a socket address allows (" +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes)"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (auto clear = remove_stale(path, address); !clear) return clear.error();

  std::shared_ptr<HostListener> self(new HostListener(tenant, path, std::move(admit)));
  boost::system::error_code ec;
  self->acceptor_.open(boost::asio::local::stream_protocol(), ec);
  if (!ec) self->acceptor_.bind(boost::asio::local::stream_protocol::endpoint(path), ec);
  if (ec) return system_error(ec, path);
  struct stat info {};
  if (chmod(path.c_str(), 0666) != 0 || lstat(path.c_str(), &info) != 0) return system_error(errno, path);
  self->device_ = info.st_dev;
  self->inode_ = info.st_ino;
  self->acceptor_.listen(kBacklog, ec);
  if (ec) return system_error(ec, path);
  const int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) return system_error(errno, "epoll_create1");
  self->hangups_.assign(set);
  return self;
}

void HostListener::start() {
  tenant_.spawn(run_accept(shared_from_this()));
  tenant_.spawn(run_watch(shared_from_this()));
}

void HostListener::close() {
  if (!acceptor_.is_open()) return;
  struct stat info {};
  if (lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) unlink(path_.c_str());
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  quiet_end_.cancel();
  tell_refused();
}

void HostListener::finish_all(std::chrono::system_clock::time_point deadline) {
  close();
  for (auto& [id, host] : hosts_) host->finish();
  stop_watching();
  if (hosts_.empty()) return;
  patience_.expires_after(deadline - std::chrono::system_clock::now());
  patience_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    const auto self = weak.lock();
    if (!ec && self) self->cut_all();
  });
}

void HostListener::cut_all() {
  close();
  for (auto& [id, host] : hosts_) host->cut();
  stop_watching();
}

void HostListener::stop_watching() {
  boost::system::error_code ignored;
  hangups_.close(ignored);
}

Task<void> HostListener::run_accept(std::shared_ptr<HostListener> self) {
  Timer retry(self->tenant_.loop());
  while (self->acceptor_.is_open()) {
    auto [ec, socket] = co_await self->acceptor_.async_accept(net::kTuple);
    if (!self->acceptor_.is_open()) break;
    if (!ec) {
      self->admit(std::move(socket));
      continue;
    }
    // Descriptors or kernel memory ran out: other holders must give back first, and nobody tells us when.
    spdlog::warn("{}: accept: {}", self->path_, ec.message());
    retry.expires_after(kAcceptRetry);
    (void)co_await retry.async_wait(net::kTuple);
  }
}

void HostListener::admit(Socket socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  const bool admitted = tenant_.policy().peer_allowed(peer.uid, peer.gid);
  if (!admitted) {
    refuse(peer);
    return;
  }
  tenant_.audit().peer(tenant_.name(), {peer.uid, peer.gid, peer.pid}, std::nullopt);
  auto charge = tenant_.host_connections_quota().charge(1);
  if (!charge) {
    tenant_.audit().quota({tenant_.name(), {}, {}, {}}, "host_connections", tenant_.host_connections_quota().used());
    return;
  }
  net::UniqueFd grpc_end;
  auto host = HostRelay::make(tenant_, std::move(socket), std::move(*charge), grpc_end);
  if (!host) {
    spdlog::warn("{}: {}", path_, host.error().detail);
    return;
  }
  const uint64_t id = next_host_++;
  epoll_event event{};
  event.events = EPOLLRDHUP | EPOLLET;  // EPOLLHUP and EPOLLERR are always on
  event.data.u64 = id;
  if (epoll_ctl(hangups_.native_handle(), EPOLL_CTL_ADD, (*host)->host_fd(), &event) != 0) {
    spdlog::warn("{}: epoll_ctl: {}", path_, std::strerror(errno));
    return;
  }
  hosts_.emplace(id, *host);
  (*host)->start([weak = weak_from_this(), id](const char* violation) {
    const auto self = weak.lock();
    if (!self) return;
    if (violation) self->tell_cut(violation);
    self->hosts_.erase(id);
    if (self->hosts_.empty()) self->patience_.cancel();
  });
  admit_(grpc_end.release());
}

// Anybody on the machine can knock, as fast as they like: the log says so at once, and then once a second of the last
// one, with the number of those it left out.
void HostListener::refuse(const ucred& peer) {
  last_refused_ = peer;
  ++refused_;
  if (!quiet_) tell_refused();
}

void HostListener::tell_refused() {
  quiet_ = false;
  if (refused_ == 0) return;
  tenant_.audit().peer(tenant_.name(), {last_refused_.uid, last_refused_.gid, last_refused_.pid}, refused_ - 1);
  refused_ = 0;
  if (!acceptor_.is_open()) return;
  quiet_ = true;
  quiet_end_.expires_after(kQuiet);
  quiet_end_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    const auto self = weak.lock();
    if (!ec && self) self->tell_refused();
  });
}

// It can come back and do it again, as fast as it likes.
void HostListener::tell_cut(const char* violation) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_cut_told_) {
    ++cuts_left_out_;
    return;
  }
  next_cut_told_ = now + kQuiet;
  spdlog::warn("{}: a host was cut off: {} ({} before it without a word)", tenant_.name(), violation,
               std::exchange(cuts_left_out_, 0));
}

Task<void> HostListener::run_watch(std::shared_ptr<HostListener> self) {
  while (self->hangups_.is_open()) {
    auto [ec] = co_await self->hangups_.async_wait(Descriptor::wait_read, net::kTuple);
    if (ec) break;
    self->reap();
  }
}

void HostListener::reap() {
  epoll_event events[64];
  const int count = epoll_wait(hangups_.native_handle(), events, 64, 0);
  for (int i = 0; i < count; ++i) {
    const auto host = hosts_.find(events[i].data.u64);
    if (host == hosts_.end()) continue;
    host->second->host_ended();
  }
}

}  // namespace wasi_netd::rpc
