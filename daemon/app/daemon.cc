#include "daemon/app/daemon.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <grpc/grpc.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "daemon/base/audit_log.h"
#include "daemon/rpc/tenant_server.h"
#include "policy/accounts.h"
#include "policy/reserved.h"

namespace wasi_netd {
namespace {

namespace fs = std::filesystem;

struct LoopThread {
  boost::asio::io_context context{1};  // one thread: no locking in the reactor's queues
  boost::asio::executor_work_guard<net::Loop> work{context.get_executor()};
  std::thread thread;
};

// Ends the process if it is not destroyed within `limit`: gRPC's shutdown has no bound of its own, and whatever keeps
// it must not keep the sockets.
class StopLimit {
 public:
  StopLimit(std::chrono::milliseconds limit, AuditLog& audit)
      : watch_([this, limit, &audit] {
          std::unique_lock lock(mutex_);
          if (stopped_.wait_for(lock, limit, [this] { return over_; })) return;
          audit.flush();
          WASI_NETD_CHECK(over_, "the daemon did not stop within " + std::to_string(limit.count()) + " ms");
        }) {}
  StopLimit(const StopLimit&) = delete;
  StopLimit& operator=(const StopLimit&) = delete;
  ~StopLimit() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    stopped_.notify_one();
    watch_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool over_ = false;
  std::thread watch_;
};

Status make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) {
    // The process's umask hides it from the hosts; they must reach the sockets inside.
    if (chmod(path.c_str(), 0755) != 0) return system_error(errno, path);
    return {};
  }
  if (errno != EEXIST) return system_error(errno, path);
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return system_error(errno, path);
  if (!S_ISDIR(info.st_mode)) return Error{Errno::notdir, path + ": exists and is not a directory"};
  return {};
}

}  // namespace

Policies load_policies(const Config& config) {
  Policies result;
  std::error_code ec;
  std::vector<std::string> files;
  for (fs::directory_iterator it(config.policy_dir, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().extension() == ".yaml") files.push_back(it->path().string());
    if (it->path().extension() == ".yml")
      result.warnings.push_back(it->path().string() + ": not read; policies end in .yaml");
  }
  if (ec) {
    result.errors.push_back(config.policy_dir + ": " + ec.message());
    return result;
  }
  if (files.empty()) result.errors.push_back(config.policy_dir + ": no *.yaml file; each tenant needs one");
  std::sort(files.begin(), files.end());
  boost::asio::io_context scratch{1};
  const policy::Reserved reserved = policy::reserve(std::array{config.runtime_dir, config.policy_dir});
  for (const std::string& file : files) {
    policy::LoadResult loaded = policy::load_file(file, reserved, policy::system_accounts());
    for (const auto& error : loaded.errors) result.errors.push_back(policy::to_string(error));
    for (const auto& warning : loaded.warnings) result.warnings.push_back(policy::to_string(warning));
    if (!loaded.policy) continue;
    const auto same = std::find_if(result.tenants.begin(), result.tenants.end(),
                                   [&](const auto& other) { return other->tenant() == loaded.policy->tenant(); });
    if (same != result.tenants.end()) {
      result.errors.push_back(file + ": tenant " + loaded.policy->tenant() + " is defined by " + (*same)->file() +
                              " too");
      continue;
    }
    for (const policy::Protocol* protocol : loaded.policy->protocols()) {
      // Made for the errors of the files it names; the tenant makes its own.
      const auto runtime = broker::ProtocolRuntime::make(scratch.get_executor(), *protocol);
      if (!runtime) result.errors.push_back(runtime.error().detail);
    }
    result.tenants.push_back(std::move(loaded.policy));
  }
  return result;
}

struct Daemon::State {
  Config config;
  std::unique_ptr<AuditLog> audit;
  std::vector<std::unique_ptr<LoopThread>> loops;
  struct Served {
    LoopThread* loop;
    std::unique_ptr<rpc::TenantServer> server;
  };
  std::vector<Served> tenants;
  bool running = false;

  // Runs `function` on the tenant's loop and returns what it returned.
  template <class Function>
  auto on_loop(const Served& served, Function function) const {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(served.loop->context, std::move(task));
    return result.get();
  }
  void stop();
};

Daemon::Daemon() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<Daemon>> Daemon::start(const Config& config, const Policies& policies) {
  if (!policies.errors.empty()) return Error{Errno::inval, policies.errors.front()};
  // For good: with its last user gRPC would end its threads, and wait up to 10 s for one that polls for a blocked
  // write.
  static const bool kept = (grpc_init(), true);
  (void)kept;
  std::unique_ptr<Daemon> daemon(new Daemon);
  State& state = *daemon->state_;
  state.config = config;
  auto audit = AuditLog::open(config.audit_file, config.audit_queue);
  if (!audit) return audit.error();
  state.audit = std::move(*audit);
  for (const std::string& directory : {config.runtime_dir, config.runtime_dir + "/tenants"}) {
    if (auto made = make_directory(directory); !made) return made.error();
  }
  const unsigned wanted = config.loops != 0 ? config.loops : std::max(1u, std::thread::hardware_concurrency());
  const unsigned count = std::max(1u, std::min<unsigned>(wanted, static_cast<unsigned>(policies.tenants.size())));
  for (unsigned i = 0; i < count; ++i) state.loops.push_back(std::make_unique<LoopThread>());
  const std::vector<std::string> services = {v1::Broker::service_full_name(),
                                             grpc::health::v1::Health::service_full_name(),
                                             grpc::reflection::v1alpha::ServerReflection::service_full_name()};
  const auto reflection = std::make_shared<const rpc::ReflectionIndex>(services);
  for (size_t i = 0; i < policies.tenants.size(); ++i) {
    LoopThread& loop = *state.loops[i % count];
    const auto& policy = policies.tenants[i];
    state.tenants.push_back({&loop, std::make_unique<rpc::TenantServer>(loop.context.get_executor(), policy,
                                                                        config.linger, *state.audit, reflection)});
  }
  state.running = true;
  for (auto& loop : state.loops) {
    loop->thread = std::thread([context = &loop->context] { context->run(); });
  }
  for (const auto& served : state.tenants) {
    const std::string path = daemon->socket_path(served.server->tenant().name());
    Status listening = state.on_loop(served, [&] { return served.server->listen(path); });
    if (!listening) return listening.error();
  }
  return daemon;
}

Daemon::~Daemon() { state_->stop(); }

void Daemon::State::stop() {
  if (!running) return;
  running = false;
  constexpr std::chrono::seconds kStopLimit{15};
  const StopLimit bounded(kStopLimit, *audit);
  std::vector<std::future<void>> ended;
  for (const auto& served : tenants) {
    auto done = std::make_shared<std::promise<void>>();
    ended.push_back(done->get_future());
    on_loop(served, [&] { served.server->stop([done] { done->set_value(); }); });
  }
  // The grace is for statuses on their way to the hosts. Who does not take them is cut off.
  constexpr std::chrono::milliseconds kGrace{500};
  const auto deadline = std::chrono::system_clock::now() + kGrace;
  for (const auto& served : tenants) served.server->wait_for_calls(deadline);
  for (const auto& served : tenants) on_loop(served, [&] { served.server->finish_hosts(deadline); });
  for (const auto& served : tenants) served.server->shutdown_server(deadline);
  for (auto& one : ended) one.wait();
  for (auto& loop : loops) {
    loop->work.reset();
    loop->thread.join();
  }
  tenants.clear();
  audit->flush();
}

void Daemon::drain() {
  std::vector<std::future<void>> idle;
  for (const auto& served : state_->tenants) {
    auto done = std::make_shared<std::promise<void>>();
    idle.push_back(done->get_future());
    state_->on_loop(served, [&] { served.server->drain([done] { done->set_value(); }); });
  }
  const auto deadline = std::chrono::steady_clock::now() + state_->config.drain;
  for (auto& one : idle) one.wait_until(deadline);
}

std::string Daemon::socket_path(const std::string& tenant) const {
  return state_->config.runtime_dir + "/tenants/" + tenant + ".sock";
}

Daemon::Counts Daemon::counts() const {
  Counts total;
  for (const auto& served : state_->tenants) {
    const Counts one = state_->on_loop(served, [&] {
      broker::Tenant& tenant = served.server->tenant();
      return Counts{served.server->host_count(),       tenant.session_count(),        tenant.handles_quota().used(),
                    tenant.connections_quota().used(), tenant.buffers_quota().used(), served.server->call_count()};
    });
    total.host_connections += one.host_connections;
    total.sessions += one.sessions;
    total.handles += one.handles;
    total.connections += one.connections;
    total.buffers += one.buffers;
    total.calls += one.calls;
  }
  return total;
}

}  // namespace wasi_netd
