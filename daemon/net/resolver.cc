// make_resolver: names through c-ares (daemon/net/ares_channel.h), with a cache in front.
//
// No caller's coroutine may run inside of a call to c-ares: an answer is put down in its Lookup, and those who wait are
// woken through the loop. Each family is a query of its own, so that a server which leaves one unanswered (RFC 4074
// section 4.1) does not keep the other's answer.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <unordered_map>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/net/answer_cache.h"
#include "daemon/net/ares_channel.h"
#include "daemon/net/dns_answer.h"
#include "daemon/net/lookup.h"
#include "daemon/net/socket.h"
#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {
namespace {

constexpr size_t kMaxCachedNames = 1024;
constexpr size_t kMaxLookups = 1024;  // under way in c-ares
constexpr size_t kMaxWaiting = 8192;  // callers
// An answer that lacks a family because its query failed: soon somebody may try again.
constexpr std::chrono::seconds kPartialTtl{10};

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

using Clock = Lookup::Clock;

int number_of(policy::Family family) { return family == policy::Family::kIpv4 ? AF_INET : AF_INET6; }

class AresResolver final : public Resolver, public std::enable_shared_from_this<AresResolver> {
 public:
  AresResolver(Loop loop, ResolverOptions options) : loop_(loop), options_(std::move(options)) {
    if (options_.families.empty()) options_.families = {policy::Family::kIpv6, policy::Family::kIpv4};
    status_ = start();
  }
  ~AresResolver() override { stop(); }

  Task<Result<Answer>> resolve(std::string name, asio::cancellation_slot stop, Early early) override {
    return resolve_task(shared_from_this(), std::move(name), stop, std::move(early));
  }

  void close() override {
    closed_ = true;
    for (auto& [name, lookup] : std::exchange(lookups_, {})) lookup->end(canceled());
    stop();
  }

 private:
  using Self = std::shared_ptr<AresResolver>;
  Status start();
  // Begins anew when it could not begin, or when the system's servers may have changed: between queries, since it would
  // end those under way.
  void begin_anew_if_due();
  void stop();
  static Task<Result<Answer>> resolve_task(Self, std::string name, asio::cancellation_slot stop, Early early);
  // The one that runs already, or a new one; nullptr: there are too many.
  std::shared_ptr<Lookup> lookup_of(const std::string& name);
  // Its outcome is what has come by now.
  void conclude(const std::string& name, const std::shared_ptr<Lookup>&);
  void ask(const std::string& name, const std::shared_ptr<Lookup>&);
  void answered(const std::string& name, const std::shared_ptr<Lookup>&, int status, const ares_addrinfo*);

  const Loop loop_;
  ResolverOptions options_;
  std::shared_ptr<AresChannel> dns_;
  std::shared_ptr<AresChannel> hosts_file_;  // with the system's servers: the system's names
  FileState system_;                         // resolv_conf as they know it
  Status status_;                            // why they are not there
  bool closed_ = false;
  size_t running_ = 0, waiting_ = 0;                                  // look-ups, callers
  std::unordered_map<std::string, std::shared_ptr<Lookup>> lookups_;  // without an outcome, the last one of each name
  AnswerCache cache_{kMaxCachedNames};
};

Status AresResolver::start() {
  system_ = state_of(options_.resolv_conf);
  if (options_.servers.empty()) {
    if (auto readable = can_read(options_.resolv_conf); !readable) return readable.error();
    auto hosts_file = AresChannel::make(loop_, AresChannel::Source::kHostsFile, options_);
    if (!hosts_file) return hosts_file.error();
    hosts_file_ = std::move(*hosts_file);
  }
  auto dns = AresChannel::make(loop_, AresChannel::Source::kDns, options_);
  if (!dns) return dns.error();
  dns_ = std::move(*dns);
  return Status();
}

void AresResolver::begin_anew_if_due() {
  if (running_ > 0) return;
  if (status_ && (!options_.servers.empty() || state_of(options_.resolv_conf) == system_)) return;
  stop();
  status_ = start();
}

void AresResolver::stop() {
  dns_ = nullptr;
  hosts_file_ = nullptr;
}

Task<Result<Answer>> AresResolver::resolve_task(Self self, std::string name, asio::cancellation_slot stop,
                                                Early early) {
  if (self->closed_) co_return canceled();
  if (auto cached = self->cache_.get(name, Clock::now())) co_return *cached;
  self->begin_anew_if_due();
  if (!self->status_) co_return self->status_.error();
  auto lookup = self->lookup_of(name);
  if (!lookup) co_return Error{Errno::nobufs, "resolve " + name + ": too many look-ups at once"};
  Timer patience(self->loop_);
  const auto place = lookup->waiting.insert(lookup->waiting.end(), &patience);
  ++self->waiting_;
  bool stopped = false;
  if (stop.is_connected()) {
    stop.assign([&patience, &stopped](asio::cancellation_type) {
      stopped = true;
      patience.cancel();
    });
  }
  while (!lookup->outcome && !stopped) {
    const auto now = Clock::now();
    if (lookup->deadline <= now) {
      self->conclude(name, lookup);
    } else if (early && lookup->enough_at && *lookup->enough_at <= now) {
      std::exchange(early, nullptr)(in_order(lookup->found, self->options_.families));
    } else {
      patience.expires_at(early && lookup->enough_at ? std::min(*lookup->enough_at, lookup->deadline)
                                                     : lookup->deadline);
      (void)co_await patience.async_wait(kTuple);
    }
  }
  if (stop.is_connected()) stop.clear();
  --self->waiting_;
  lookup->waiting.erase(place);
  if (!lookup->outcome) co_return canceled();  // this caller's wait alone
  co_return *lookup->outcome;
}

std::shared_ptr<Lookup> AresResolver::lookup_of(const std::string& name) {
  if (waiting_ >= kMaxWaiting) return nullptr;
  // One past its deadline is nobody's any more: those who waited for it had left before.
  const auto running = lookups_.find(name);
  if (running != lookups_.end() && running->second->deadline > Clock::now()) return running->second;
  if (running_ >= kMaxLookups) return nullptr;
  auto lookup = std::make_shared<Lookup>(Clock::now() + options_.timeout);
  lookups_.insert_or_assign(name, lookup);
  ask(name, lookup);
  return lookup;
}

void AresResolver::conclude(const std::string& name, const std::shared_ptr<Lookup>& lookup) {
  const auto place = lookups_.find(name);
  if (place != lookups_.end() && place->second == lookup) lookups_.erase(place);
  Answer answer = in_order(lookup->found, options_.families);
  if (answer.addresses.empty()) {
    lookup->end(error_of(lookup->outstanding > 0 ? ARES_ETIMEOUT : lookup->failure.value_or(ARES_ENODATA), name));
    return;
  }
  if (lookup->outstanding > 0 || lookup->failure) answer.ttl = std::min(answer.ttl, kPartialTtl);
  // One that came after its deadline is as good for the next caller as any.
  cache_.put(name, answer, Clock::now());
  lookup->end(std::move(answer));
}

void AresResolver::ask(const std::string& name, const std::shared_ptr<Lookup>& lookup) {
  const auto& families = options_.families;
  if (hosts_file_) {
    hosts_file_->find(name, families.size() > 1 ? AF_UNSPEC : number_of(families.front()),
                      [&lookup](int, const ares_addrinfo* info) {
                        if (info) add_to(lookup->found, *info);
                      });
    if (!lookup->found.addresses.empty()) return conclude(name, lookup);
  }
  ++running_;
  lookup->outstanding = families.size();
  for (const policy::Family family : families) {
    // The channel answers every query before it is gone, and goes before this.
    dns_->find(name, number_of(family),
               [this, name, lookup](int status, const ares_addrinfo* info) { answered(name, lookup, status, info); });
  }
}

void AresResolver::answered(const std::string& name, const std::shared_ptr<Lookup>& lookup, int status,
                            const ares_addrinfo* info) {
  --lookup->outstanding;
  if (status == ARES_SUCCESS && info) {
    add_to(lookup->found, *info);
  } else if (status != ARES_ENOTFOUND && status != ARES_ENODATA) {
    lookup->failure = status;
  }
  if (lookup->outstanding > 0) return lookup->note_enough(options_.families.front(), Clock::now());
  --running_;
  conclude(name, lookup);
}

}  // namespace

std::shared_ptr<Resolver> make_resolver(Loop loop, ResolverOptions options) {
  return std::make_shared<AresResolver>(loop, std::move(options));
}

}  // namespace wasi_netd::net
