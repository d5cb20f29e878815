#include "host/runner.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <pthread.h>
#include <unistd.h>

#include "host/options.h"

namespace wasi_netd::host {
namespace {

using engines::Outcome;

constexpr std::streamsize kMaxModule = std::streamsize{256} << 20;
// What the shim takes besides the guest's own stack. Small, because a thousand guests have one each.
constexpr size_t kThreadStack = engines::kGuestStack + (size_t{3} << 19);

Outcome failed(std::string message) { return {Outcome::Kind::kError, 0, std::move(message)}; }

bool read_file(const std::string& path, std::vector<uint8_t>* out, std::string* error) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamsize size = file ? static_cast<std::streamsize>(file.tellg()) : -1;
  if (size < 0 || size > kMaxModule || !std::filesystem::is_regular_file(path)) {
    *error = path + (size > kMaxModule ? ": larger than 256 MiB" : ": cannot be read");
    return false;
  }
  out->resize(static_cast<size_t>(size));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(out->data()), size);
  if (file) return true;
  *error = path + ": cannot be read";
  return false;
}

// The three host descriptors of a guest: ours where it inherits, else opened and closed again here.
class StdioFds {
 public:
  ~StdioFds() {
    for (size_t i = 0; i < fds_.size(); ++i) {
      if (fds_[i] > 2) close(fds_[i]);
    }
  }
  // An error text, or empty.
  std::string open_all(const Stdio (&stdio)[3]) {
    for (int i = 0; i < 3; ++i) {
      const auto at = static_cast<size_t>(i);
      if (stdio[i].kind == Stdio::Kind::kInherit) {
        fds_[at] = fcntl(i, F_GETFD) >= 0 ? i : -1;
        continue;
      }
      const std::string path = stdio[i].kind == Stdio::Kind::kNull ? "/dev/null" : stdio[i].path;
      fds_[at] = open(path.c_str(), (i == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND) | O_CLOEXEC, 0666);
      if (fds_[at] < 0) return path + ": cannot be opened";
    }
    return {};
  }
  int operator[](size_t i) const { return fds_[i]; }

 private:
  std::array<int, 3> fds_{-1, -1, -1};
};

// Empties the files that guests are to append to. What cannot be emptied (it is not there, or a FIFO) needs it not, or
// cannot be opened either.
void empty_outputs(const std::vector<GuestSpec>& guests) {
  for (const GuestSpec& guest : guests) {
    for (const Stdio& stdio : {guest.stdio[1], guest.stdio[2]}) {
      if (stdio.kind != Stdio::Kind::kFile) continue;
      [[maybe_unused]] const int ignored = truncate(stdio.path.c_str(), 0);
    }
  }
}

std::string why_not_open(wasi_netd_errno error, const GuestSpec& guest) {
  switch (error) {
    case WASI_NETD_ERRNO_connrefused:
      return "no daemon answers at " + guest.socket;
    case WASI_NETD_ERRNO_acces:
      return "the daemon does not admit this process or " +
             (guest.name.empty() ? std::string("a guest without a name") : "the guest name '" + guest.name + "'") +
             ", or the tenant has no host connection left";
    case WASI_NETD_ERRNO_nfile:
      return "the tenant has no session left";
    default:
      return std::string("the session could not be opened: ") + wasi_netd_errno_name(error);
  }
}

struct InstanceFree {
  void operator()(wasi_netd_instance* instance) const { wasi_netd_instance_free(instance); }
};
using Instance = std::unique_ptr<wasi_netd_instance, InstanceFree>;

// An open guest with its arguments and environment, or an error text.
Instance make_instance(wasi_netd_tenant* tenant, const GuestSpec& spec, std::string* error) {
  StdioFds stdio;
  *error = stdio.open_all(spec.stdio);
  if (!error->empty()) return nullptr;
  wasi_netd_guest_options options{};
  options.size = sizeof options;
  options.name = spec.name.empty() ? nullptr : spec.name.c_str();
  options.rights = spec.rights;
  for (size_t i = 0; i < 3; ++i) options.stdio[i] = stdio[i];
  wasi_netd_guest* guest = nullptr;
  auto failure = wasi_netd_guest_open(tenant, &options, &guest);
  if (failure != WASI_NETD_ERRNO_success) {
    *error = why_not_open(failure, spec);
    return nullptr;
  }
  const std::string program = std::filesystem::path(spec.wasm).filename();
  std::vector<const char*> argv{program.c_str()};
  for (const auto& argument : spec.args) argv.push_back(argument.c_str());
  argv.push_back(nullptr);
  std::vector<const char*> envp;
  for (const auto& assignment : spec.env) envp.push_back(assignment.c_str());
  envp.push_back(nullptr);
  wasi_netd_instance* instance = nullptr;
  failure = wasi_netd_instance_new(guest, argv.data(), envp.data(), &instance);
  if (failure != WASI_NETD_ERRNO_success) {
    wasi_netd_guest_abort(guest);
    *error = failure == WASI_NETD_ERRNO_toobig ? "arguments and environment are larger than 1 MiB"
                                               : std::string("no instance: ") + wasi_netd_errno_name(failure);
    return nullptr;
  }
  return Instance(instance);
}

// A thread with a stack of kThreadStack; std::thread cannot be given one.
class Thread {
 public:
  // False: there is no thread left.
  bool start(std::function<void()> work) {
    work_ = std::move(work);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kThreadStack);
    const auto enter = [](void* self) -> void* {
      static_cast<Thread*>(self)->work_();
      return nullptr;
    };
    started_ = pthread_create(&thread_, &attributes, enter, this) == 0;
    pthread_attr_destroy(&attributes);
    return started_;
  }
  void join() {
    if (started_) pthread_join(thread_, nullptr);
    started_ = false;
  }

 private:
  std::function<void()> work_;
  pthread_t thread_{};
  bool started_ = false;
};

GuestReport to_report(Outcome outcome) {
  GuestReport report;
  report.kind = outcome.kind;
  report.message = std::move(outcome.message);
  switch (outcome.kind) {
    case Outcome::Kind::kExit:
      report.exit_code = static_cast<int>(std::min<uint32_t>(outcome.exit_code, 255));
      break;
    case Outcome::Kind::kTrap:
      report.exit_code = kTrapped;
      break;
    case Outcome::Kind::kError:
      report.exit_code = kHostError;
      break;
  }
  return report;
}

}  // namespace

Runner::Runner(std::vector<GuestSpec> guests) : guests_(std::move(guests)) {}
Runner::~Runner() = default;

engines::Engine* Runner::engine(EngineKind kind, std::string* error) {
  auto& made = engines_[kind];
  if (!made) made = kind == EngineKind::kWasmtime ? engines::make_wasmtime(error) : engines::make_wabt();
  return made.get();
}

Runner::Loaded& Runner::load(const GuestSpec& guest) {
  const auto [place, is_new] = modules_.try_emplace({guest.engine, guest.wasm});
  Loaded& loaded = place->second;
  std::vector<uint8_t> bytes;
  if (!is_new || !read_file(guest.wasm, &bytes, &loaded.error)) return loaded;
  engines::Engine* chosen = engine(guest.engine, &loaded.error);
  if (chosen == nullptr) return loaded;
  loaded.module = chosen->load(bytes, &loaded.error);
  if (!loaded.module) loaded.error = guest.wasm + ": " + loaded.error;
  return loaded;
}

wasi_netd_tenant* Runner::tenant(const std::string& socket) {
  const std::lock_guard lock(mutex_);
  auto& made = tenants_[socket];
  if (!made) {
    wasi_netd_tenant* opened = nullptr;
    if (wasi_netd_tenant_open(socket.c_str(), &opened) == WASI_NETD_ERRNO_success) made.reset(opened);
  }
  return made.get();
}

std::vector<GuestReport> Runner::run() {
  std::vector<Loaded*> modules;
  for (const auto& guest : guests_) {
    modules.push_back(&load(guest));
    tenant(guest.socket);
  }
  empty_outputs(guests_);
  std::vector<GuestReport> reports(guests_.size());
  std::vector<Thread> threads(guests_.size());
  for (size_t i = 0; i < guests_.size(); ++i) {
    auto work = [this, i, &reports, &modules] { reports[i] = run_guest(guests_[i], *modules[i]); };
    if (!threads[i].start(std::move(work))) reports[i] = to_report(failed("no thread could be started"));
  }
  for (auto& thread : threads) thread.join();
  return reports;
}

GuestReport Runner::run_guest(const GuestSpec& guest, Loaded& loaded) {
  const auto begin = std::chrono::steady_clock::now();
  GuestReport report = to_report(run_instance(guest, loaded));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

Outcome Runner::run_instance(const GuestSpec& guest, Loaded& loaded) {
  if (!loaded.module) return failed(loaded.error);
  wasi_netd_tenant* of = tenants_.find(guest.socket)->second.get();
  if (of == nullptr) return failed("not the path of a socket: '" + guest.socket + "'");
  if (const auto end = stopped()) return *end;
  std::string error;
  const Instance instance = make_instance(of, guest, &error);
  if (!instance) return stopped().value_or(failed(std::move(error)));
  return run_registered(guest, *loaded.module, instance.get());
}

std::optional<Outcome> Runner::stopped() {
  const std::lock_guard lock(mutex_);
  if (!stopped_) return std::nullopt;
  return Outcome{Outcome::Kind::kExit, static_cast<uint32_t>(*stopped_), {}};
}

Outcome Runner::run_registered(const GuestSpec& guest, engines::Module& module, wasi_netd_instance* instance) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return {Outcome::Kind::kExit, static_cast<uint32_t>(*stopped_), {}};
    running_.insert(instance);
  }
  Outcome outcome = module.run(instance, {.max_memory = guest.max_memory});
  const std::lock_guard lock(mutex_);
  running_.erase(instance);
  return outcome;
}

void Runner::stop(int exit_code) {
  const std::lock_guard lock(mutex_);
  if (!stopped_) stopped_ = exit_code;
  for (const auto& [socket, tenant] : tenants_) wasi_netd_tenant_interrupt(tenant.get());
  for (wasi_netd_instance* instance : running_) {
    wasi_netd_instance_request_exit(instance, static_cast<uint32_t>(exit_code));
    wasi_netd_guest_interrupt(wasi_netd_instance_guest(instance));
  }
  // Engines are all made before the first guest runs; one that is made later finds no guest to interrupt.
  if (running_.empty()) return;
  for (const auto& [kind, engine] : engines_) {
    if (engine) engine->interrupt();
  }
}

}  // namespace wasi_netd::host
