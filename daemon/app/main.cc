// wasi-netd: the life of the process. What is served is Daemon's.
//
// The main thread alone sees signals: they are blocked before the first other thread starts. SIGTERM and SIGINT end the
// daemon in order, a second one at once; SIGHUP is answered in the log.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <time.h>

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "daemon/app/config.h"
#include "daemon/app/daemon.h"
#include "daemon/app/isolation.h"
#include "daemon/app/library_log.h"
#include "daemon/app/log.h"
#include "daemon/app/service_manager.h"
#include "daemon/net/tls/tls.h"

namespace wasi_netd {
namespace {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2 };

struct Options {
  std::string config;
  std::optional<std::string> policy_dir, runtime_dir;
  bool check = false;
  bool debuggable = false;
};

void complain(const std::string& message) { std::fprintf(stderr, "wasi-netd: %s\n", message.c_str()); }

std::string counted(size_t number, const char* noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

// The exit code when there is nothing more to do.
std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app("wasi-netd gives WebAssembly hosts a network: each tenant what its policy file allows.", "wasi-netd");
  app.add_option("--config", options.config, "Configuration file (YAML); without it the defaults hold")
      ->type_name("FILE");
  app.add_option("--policy-dir", options.policy_dir, "Directory of the tenants' policy files; overrides the file")
      ->type_name("DIR");
  app.add_option("--runtime-dir", options.runtime_dir, "Directory for the tenants' sockets; overrides the file")
      ->type_name("DIR");
  app.add_flag("--check", options.check, "Check the configuration and every policy, then exit: 0 good, 1 not");
  app.add_flag("--debuggable", options.debuggable, "Allow core files and debuggers, which see the tenants' data");
  app.set_version_flag("--version", "wasi-netd " WASI_NETD_VERSION, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer("Exit codes: 0 ended in order or --check found nothing, 1 error, 2 wrong usage.");
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& reason) {
    return app.exit(reason) == 0 ? kDone : kUsage;
  }
}

Result<Config> configure(const Options& options) {
  Config config;
  if (!options.config.empty()) {
    auto loaded = load_config(options.config);
    if (!loaded) return loaded.error();
    config = std::move(*loaded);
  }
  if (options.policy_dir) config.policy_dir = *options.policy_dir;
  if (options.runtime_dir) config.runtime_dir = *options.runtime_dir;
  return config;
}

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

// The next signal that asks for the end; false: none within `limit`.
bool wait_for_end(const sigset_t& signals, std::optional<std::chrono::milliseconds> limit) {
  for (;;) {
    siginfo_t info{};
    int number;
    if (limit) {
      const timespec time{limit->count() / 1000, limit->count() % 1000 * 1'000'000};
      number = sigtimedwait(&signals, &info, &time);
      if (number < 0 && errno == EAGAIN) return false;
    } else {
      number = sigwaitinfo(&signals, &info);
    }
    if (number == SIGHUP) {
      spdlog::warn("SIGHUP: this version cannot reload its policies; restart it to apply changes");
    } else if (number > 0) {
      spdlog::info("{} from process {}", number == SIGTERM ? "SIGTERM" : "SIGINT", info.si_pid);
      return true;
    }
  }
}

void log_cut_off(const char* reason, const Daemon::Counts& left) {
  spdlog::warn("{}: {} and {} cut off", reason, counted(left.sessions, "session"),
               counted(left.connections, "connection"));
}

// Until the hosts have ended their sessions and what their guests wrote is delivered, `limit` has passed or a second
// signal came.
void drain(Daemon& daemon, const sigset_t& signals, std::chrono::milliseconds limit) {
  constexpr std::chrono::milliseconds kLook{20};  // there is no event for "nothing left" that also ends by a signal
  const auto deadline = std::chrono::steady_clock::now() + limit;
  daemon.drain();
  for (;;) {
    const Daemon::Counts left = daemon.counts();
    if (left.sessions == 0 && left.connections == 0) return;
    if (std::chrono::steady_clock::now() >= deadline) {
      return log_cut_off("drain", left);
    }
    if (wait_for_end(signals, kLook)) {
      return log_cut_off("second signal", left);
    }
  }
}

// The environment alone does not do: it may come from somewhere else than the configuration.
Status log_keys(const Config& config) {
  const char* file = std::getenv("SSLKEYLOGFILE");
  if (!file || *file == '\0' || !config.tls_key_log) return {};
  spdlog::warn("debug: the keys of TLS connections are written to {}", file);
  return net::tls_log_keys(file);
}

int serve(Config config, const Policies& policies, Log& log) {
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (auto done = isolate_late(); !done) {
    complain(done.error().detail);
    return kFailed;
  }
  // Before the first host can make anything be logged.
  if (auto done = log.start_queue(); !done) spdlog::warn("stderr stays without a queue: {}", done.error().detail);
  log_libraries();
  const auto drain_limit = config.drain;
  config.drain = std::chrono::milliseconds(0);  // drain() above waits: a second signal must end it
  auto daemon = Daemon::start(config, policies);
  if (!daemon) {
    complain(daemon.error().detail);
    return kFailed;
  }

  const std::string status = counted(policies.tenants.size(), "tenant") + " in " + config.runtime_dir;
  spdlog::info("ready: {}", status);
  service_manager::ready(status);
  wait_for_end(signals, std::nullopt);

  service_manager::stopping("sessions are asked to end");
  drain(**daemon, signals, drain_limit);
  daemon->reset();
  spdlog::info("stopped");
  return kDone;
}

int run(const Options& options) {
  if (auto done = isolate_early(options.debuggable); !done) {
    complain(done.error().detail);
    return kFailed;
  }
  Log log;
  const auto config = configure(options);
  if (!config) {
    complain(config.error().detail);
    return kFailed;
  }
  log.set_level(config->log_level);
  if (auto done = log_keys(*config); !done) {
    complain(done.error().detail);
    return kFailed;
  }

  const Policies policies = load_policies(*config);
  for (const auto& warning : policies.warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  for (const auto& error : policies.errors) std::fprintf(stderr, "%s\n", error.c_str());
  if (!policies.errors.empty()) return kFailed;
  if (!options.check) return serve(*config, policies, log);
  std::printf("%s, 0 errors, %s\n", counted(policies.tenants.size(), "tenant").c_str(),
              counted(policies.warnings.size(), "warning").c_str());
  return kDone;
}

}  // namespace
}  // namespace wasi_netd

int main(int argc, char** argv) {
  try {
    wasi_netd::Options options;
    if (const auto code = wasi_netd::parse(argc, argv, options)) return *code;
    return wasi_netd::run(options);
  } catch (const std::exception& error) {  // a library's: memory, or a file system error nobody foresaw
    wasi_netd::complain(error.what());
    return wasi_netd::kFailed;
  }
}
