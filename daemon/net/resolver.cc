// make_resolver: c-ares on one loop.
//
// c-ares owns its sockets and says which of them it waits for; this file waits for them on the loop and calls it back.
// It answers a query inside one of our own calls to it, never by itself, so no caller's coroutine may run from there:
// an answer is put down in its Lookup and those who wait are woken through the loop.
#include <algorithm>
#include <ares.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <list>
#include <unordered_map>
#include <utility>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/base/event.h"
#include "daemon/net/answer_cache.h"
#include "daemon/net/dns_answer.h"
#include "daemon/net/socket.h"
#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {
namespace {

constexpr size_t kMaxCachedNames = 1024;
constexpr size_t kMaxQueries = 1024;  // under way in c-ares
constexpr size_t kMaxWaiting = 8192;  // callers
// What DNS servers and networks carry without fragments (DNS Flag Day 2020); what is larger comes over TCP.
constexpr int kUdpPayload = 1232;
constexpr std::chrono::milliseconds kMinTimeout{300};  // what c-ares works with; a shorter deadline still holds
constexpr std::chrono::milliseconds kMaxTimeout{600'000};
constexpr int kTries = 2;
constexpr int kUsualServers = 3;  // resolv.conf(5) has at most this many

// One query for one name and everybody who waits for it.
struct Lookup {
  explicit Lookup(std::chrono::milliseconds timeout) : deadline(std::chrono::steady_clock::now() + timeout) {}
  const std::chrono::steady_clock::time_point deadline;
  std::optional<Result<Answer>> outcome;
  std::list<Timer*> waiting;  // each expires at the deadline; canceled when `outcome` is there

  void end(Result<Answer> with) {
    if (outcome) return;
    outcome = std::move(with);
    for (Timer* one : waiting) one->cancel();
  }
};

// A socket of c-ares, seen by the loop.
struct Watch {
  explicit Watch(Loop loop) : descriptor(loop) {}
  asio::posix::basic_stream_descriptor<Loop> descriptor;
  struct Direction {
    bool wanted = false;
    bool waiting = false;
  };
  Direction read, write;
};

// What tells that a file was changed or replaced.
struct FileState {
  ino_t inode = 0;
  timespec changed{};
  bool operator==(const FileState& other) const {
    return inode == other.inode && changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
  }
};
FileState state_of(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {file.st_ino, file.st_mtim};
}

// c-ares takes a file that it cannot open for an empty one, and would ask 127.0.0.1 from then on.
Status can_read(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.valid() || errno == ENOENT) return Status();
  return Error{Errno::nfile, system_error(errno, "resolver: " + path).detail};
}

class AresResolver final : public Resolver, public std::enable_shared_from_this<AresResolver> {
 public:
  AresResolver(Loop loop, ResolverOptions options) : loop_(loop), options_(std::move(options)), tick_(loop) {
    if (options_.families.empty()) options_.families = {policy::Family::kIpv6, policy::Family::kIpv4};
    status_ = start();
  }
  ~AresResolver() override { stop(); }

  Task<Result<Answer>> resolve(std::string name, asio::cancellation_slot stop) override {
    return resolve_task(shared_from_this(), std::move(name), stop);
  }

  void close() override {
    closed_ = true;
    for (auto& [name, lookup] : std::exchange(lookups_, {})) lookup->end(canceled());
    stop();
  }

 private:
  using Self = std::shared_ptr<AresResolver>;
  // What c-ares carries for us: which look-up an answer is for.
  struct Query {
    AresResolver* resolver;  // outlives the channel, which answers every query before it is gone
    std::string name;
    std::shared_ptr<Lookup> lookup;
  };

  Status start();
  Status set_servers();
  // Begins anew when it could not begin, or when the system's servers may have changed: between queries, since it would
  // end those under way.
  void begin_anew_if_due();
  void stop();
  static Task<Result<Answer>> resolve_task(Self, std::string name, asio::cancellation_slot stop);
  // The one that runs already, or a new one; nullptr: there are too many.
  std::shared_ptr<Lookup> lookup_of(const std::string& name);
  void forget(const std::string& name, const std::shared_ptr<Lookup>&);
  void ask(const std::string& name, const std::shared_ptr<Lookup>&);
  void answered(const Query&, int status, const ares_addrinfo*);

  void want(ares_socket_t, bool read, bool write);
  void wait(ares_socket_t, const std::shared_ptr<Watch>&, Watch::Direction Watch::*);
  void process(ares_socket_t read, ares_socket_t write);
  void schedule();

  const Loop loop_;
  ResolverOptions options_;
  ares_channel channel_ = nullptr;
  FileState system_;  // resolv_conf as the channel knows it
  Status status_;     // why there is no channel
  bool closed_ = false;
  size_t queries_ = 0, waiting_ = 0;
  std::unordered_map<std::string, std::shared_ptr<Lookup>> lookups_;  // without an answer, the last one of each name
  std::unordered_map<ares_socket_t, std::shared_ptr<Watch>> watches_;
  AnswerCache cache_{kMaxCachedNames};
  Timer tick_;  // c-ares's next retry or give-up
};

Status AresResolver::start() {
  // Reference-counted and only about memory functions on this system; the first call must not race with another.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return Error{Errno::nomem, ares_strerror(library)};

  // Each retry doubles the wait: with two tries of each server the whole is three times the first wait of all.
  int servers = options_.servers.empty() ? kUsualServers : static_cast<int>(options_.servers.size());
  ares_options ares{};
  // No search domains and no HOSTALIASES: the name that was judged is the name that is asked.
  ares.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  ares.ndomains = 0;
  auto whole = std::clamp<std::chrono::milliseconds>(options_.timeout, kMinTimeout, kMaxTimeout);
  ares.timeout = static_cast<int>(whole.count()) / (3 * servers);
  ares.tries = kTries;
  ares.ednspsz = kUdpPayload;
  ares.sock_state_cb_data = this;
  ares.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) {
    static_cast<AresResolver*>(self)->want(fd, read != 0, write != 0);
  };
  int mask = ARES_OPT_FLAGS | ARES_OPT_DOMAINS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
             ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
  // Servers of our own know best; the system's way looks into the hosts file first.
  char dns_only[] = "b";
  ares.lookups = dns_only;
  if (!options_.servers.empty()) mask |= ARES_OPT_LOOKUPS;
  ares.resolvconf_path = options_.resolv_conf.data();
  mask |= ARES_OPT_RESOLVCONF;
  system_ = state_of(options_.resolv_conf);
  if (options_.servers.empty()) {
    if (auto readable = can_read(options_.resolv_conf); !readable) return readable.error();
  }
  int made = ares_init_options(&channel_, &ares, mask);
  if (made != ARES_SUCCESS) {
    channel_ = nullptr;
    return Error{Errno::nomem, std::string("resolver: ") + ares_strerror(made)};
  }
  return options_.servers.empty() ? Status() : set_servers();
}

Status AresResolver::set_servers() {
  std::vector<ares_addr_port_node> nodes(options_.servers.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& server = options_.servers[i];
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

void AresResolver::begin_anew_if_due() {
  if (queries_ > 0) return;
  if (status_ && (!options_.servers.empty() || state_of(options_.resolv_conf) == system_)) return;
  stop();
  status_ = start();
}

void AresResolver::stop() {
  tick_.cancel();
  if (channel_) ares_destroy(std::exchange(channel_, nullptr));
}

Task<Result<Answer>> AresResolver::resolve_task(Self self, std::string name, asio::cancellation_slot stop) {
  if (self->closed_) co_return canceled();
  if (auto cached = self->cache_.get(name, std::chrono::steady_clock::now())) co_return *cached;
  self->begin_anew_if_due();
  if (!self->status_) co_return self->status_.error();
  auto lookup = self->lookup_of(name);
  if (!lookup) co_return Error{Errno::nobufs, "resolve " + name + ": too many look-ups at once"};
  if (!lookup->outcome) {
    Timer patience(self->loop_, lookup->deadline);
    const auto place = lookup->waiting.insert(lookup->waiting.end(), &patience);
    ++self->waiting_;
    if (stop.is_connected()) stop.assign([&patience](asio::cancellation_type) { patience.cancel(); });
    auto [ec] = co_await patience.async_wait(kTuple);
    if (stop.is_connected()) stop.clear();
    --self->waiting_;
    lookup->waiting.erase(place);
    if (!lookup->outcome && ec) co_return canceled();  // this caller's wait alone
  }
  if (lookup->outcome) co_return *lookup->outcome;
  self->forget(name, lookup);  // the next caller asks again
  co_return error_of(ARES_ETIMEOUT, name);
}

std::shared_ptr<Lookup> AresResolver::lookup_of(const std::string& name) {
  if (waiting_ >= kMaxWaiting) return nullptr;
  // One past its deadline is nobody's any more: those who waited for it had left before.
  const auto running = lookups_.find(name);
  if (running != lookups_.end() && running->second->deadline > std::chrono::steady_clock::now()) return running->second;
  if (queries_ >= kMaxQueries) return nullptr;
  auto lookup = std::make_shared<Lookup>(options_.timeout);
  lookups_.insert_or_assign(name, lookup);
  ask(name, lookup);
  return lookup;
}

void AresResolver::forget(const std::string& name, const std::shared_ptr<Lookup>& lookup) {
  auto place = lookups_.find(name);
  if (place != lookups_.end() && place->second == lookup) lookups_.erase(place);
}

void AresResolver::ask(const std::string& name, const std::shared_ptr<Lookup>& lookup) {
  ares_addrinfo_hints hints{};
  // No sorting: c-ares would open a socket for each address to find its route, and a race of connects needs none of it.
  hints.ai_flags = ARES_AI_NOSORT;
  bool one_family = options_.families.size() == 1;
  bool v4 = options_.families.front() == policy::Family::kIpv4;
  hints.ai_family = !one_family ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
  ++queries_;
  auto query = std::make_unique<Query>(Query{this, name, lookup});
  ares_addrinfo_callback done = [](void* argument, int status, int, ares_addrinfo* info) {
    std::unique_ptr<Query> asked(static_cast<Query*>(argument));
    asked->resolver->answered(*asked, status, info);
    if (info) ares_freeaddrinfo(info);
  };
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, done, query.release());
  schedule();
}

void AresResolver::answered(const Query& query, int status, const ares_addrinfo* info) {
  --queries_;
  forget(query.name, query.lookup);
  if (status != ARES_SUCCESS || !info) return query.lookup->end(error_of(status, query.name));
  Answer answer = answer_of(*info, options_.families);
  if (answer.addresses.empty()) return query.lookup->end(error_of(ARES_ENODATA, query.name));
  // An answer that came after its deadline is as good for the next caller as any.
  cache_.put(query.name, answer, std::chrono::steady_clock::now());
  query.lookup->end(std::move(answer));
}

void AresResolver::want(ares_socket_t fd, bool read, bool write) {
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

void AresResolver::wait(ares_socket_t fd, const std::shared_ptr<Watch>& watch, Watch::Direction Watch::*which) {
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

void AresResolver::process(ares_socket_t read, ares_socket_t write) {
  ares_process_fd(channel_, read, write);
  schedule();
}

void AresResolver::schedule() {
  timeval left{};
  if (!ares_timeout(channel_, nullptr, &left)) {
    tick_.cancel();
    return;
  }
  tick_.expires_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
  tick_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    auto self = weak.lock();
    if (self && !ec && self->channel_) self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace

std::shared_ptr<Resolver> make_resolver(Loop loop, ResolverOptions options) {
  return std::make_shared<AresResolver>(loop, std::move(options));
}

}  // namespace wasi_netd::net
