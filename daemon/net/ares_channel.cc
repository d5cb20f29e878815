#include "daemon/net/ares_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace wasi_netd::net {
namespace {

// What DNS servers and networks carry without fragments (DNS Flag Day 2020); what is larger comes over TCP.
constexpr int kUdpPayload = 1232;
constexpr std::chrono::milliseconds kMinTimeout{300};  // what c-ares works with; a shorter deadline still holds
constexpr std::chrono::milliseconds kMaxTimeout{600'000};
constexpr int kTries = 2;
constexpr int kUsualServers = 3;  // resolv.conf(5) has at most this many

}  // namespace

Result<std::shared_ptr<AresChannel>> AresChannel::make(Loop loop, Source source, const ResolverOptions& options) {
  std::shared_ptr<AresChannel> channel(new AresChannel(loop));
  if (auto opened = channel->open(source, options); !opened) return opened.error();
  return channel;
}

AresChannel::~AresChannel() {
  tick_.cancel();
  if (channel_) ares_destroy(channel_);
}

Status AresChannel::open(Source source, const ResolverOptions& options) {
  // Reference-counted and only about memory functions on this system; the first call must not race with another.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return Error{Errno::nomem, ares_strerror(library)};

  // Each retry doubles the wait: with two tries of each server the whole is three times the first wait of all.
  int servers = options.servers.empty() ? kUsualServers : static_cast<int>(options.servers.size());
  ares_options ares{};
  // No search domains and no HOSTALIASES: the name that was judged is the name that is asked.
  ares.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  ares.ndomains = 0;
  auto whole = std::clamp<std::chrono::milliseconds>(options.timeout, kMinTimeout, kMaxTimeout);
  ares.timeout = static_cast<int>(whole.count()) / (3 * servers);
  ares.tries = kTries;
  ares.ednspsz = kUdpPayload;
  ares.sock_state_cb_data = this;
  ares.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) {
    static_cast<AresChannel*>(self)->want(fd, read != 0, write != 0);
  };
  char lookups[] = {source == Source::kDns ? 'b' : 'f', '\0'};
  ares.lookups = lookups;
  std::string resolv_conf = options.resolv_conf;
  ares.resolvconf_path = resolv_conf.data();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_DOMAINS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                   ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF;
  const int made = ares_init_options(&channel_, &ares, mask);
  if (made != ARES_SUCCESS) {
    channel_ = nullptr;
    return Error{Errno::nomem, std::string("resolver: ") + ares_strerror(made)};
  }
  return options.servers.empty() ? Status() : set_servers(options.servers);
}

Status AresChannel::set_servers(const std::vector<policy::IpEndpoint>& servers) {
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& server = servers[i];
    if (!server.address.zone.empty()) return Error{Errno::notsup, "resolver: a server with a zone"};
    auto& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    bool v4 = server.address.family == policy::Family::kIpv4;
    node.family = v4 ? AF_INET : AF_INET6;
    std::memcpy(&node.addr, server.address.bytes.data(), v4 ? 4 : 16);
    node.udp_port = node.tcp_port = server.port;
  }
  int set = ares_set_servers_ports(channel_, nodes.data());
  if (set != ARES_SUCCESS) return Error{Errno::nomem, std::string("resolver: ") + ares_strerror(set)};
  return Status();
}

void AresChannel::find(const std::string& name, int family, Done done) {
  ares_addrinfo_hints hints{};
  // No sorting: c-ares would open a socket for each address to find its route, and a race of connects needs none of it.
  hints.ai_flags = ARES_AI_NOSORT;
  hints.ai_family = family;
  const ares_addrinfo_callback call = [](void* argument, int status, int, ares_addrinfo* info) {
    const std::unique_ptr<Done> asked(static_cast<Done*>(argument));
    (*asked)(status, info);
    if (info) ares_freeaddrinfo(info);
  };
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, call, std::make_unique<Done>(std::move(done)).release());
  schedule();
}

void AresChannel::want(ares_socket_t fd, bool read, bool write) {
  auto place = watches_.find(fd);
  if (!read && !write) {
    // c-ares closes the descriptor next.
    if (place == watches_.end()) return;
    place->second->descriptor.release();
    watches_.erase(place);
    return;
  }
  if (place == watches_.end()) {
    auto watch = std::make_shared<Watch>(loop_);
    boost::system::error_code ec;
    watch->descriptor.assign(fd, ec);
    if (ec) return;  // this server stays unheard and its try times out
    place = watches_.emplace(fd, std::move(watch)).first;
  }
  std::shared_ptr<Watch> watch = place->second;
  watch->read.wanted = read;
  watch->write.wanted = write;
  wait(fd, watch, &Watch::read);
  wait(fd, watch, &Watch::write);
}

void AresChannel::wait(ares_socket_t fd, const std::shared_ptr<Watch>& watch, Watch::Direction Watch::*which) {
  Watch::Direction& direction = (*watch).*which;
  if (!direction.wanted || direction.waiting) return;
  direction.waiting = true;
  bool read = which == &Watch::read;
  auto kind = read ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
  watch->descriptor.async_wait(kind, [weak = weak_from_this(), watch, which, fd, read](boost::system::error_code ec) {
    ((*watch).*which).waiting = false;
    auto self = weak.lock();
    // Released meanwhile: the number may be another socket's by now.
    if (!self || ec || !watch->descriptor.is_open()) return;
    if (((*watch).*which).wanted) self->process(read ? fd : ARES_SOCKET_BAD, read ? ARES_SOCKET_BAD : fd);
    if (watch->descriptor.is_open()) self->wait(fd, watch, which);
  });
}

void AresChannel::process(ares_socket_t read, ares_socket_t write) {
  ares_process_fd(channel_, read, write);
  schedule();
}

void AresChannel::schedule() {
  timeval left{};
  if (!ares_timeout(channel_, nullptr, &left)) {
    tick_.cancel();
    return;
  }
  tick_.expires_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
  tick_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    auto self = weak.lock();
    if (self && !ec) self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace wasi_netd::net
