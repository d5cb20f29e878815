#pragma once
// Runs guests, a thread each, and says how each ended.
//
// The Runner owns tenants (one per socket), engines and modules (one per file and engine, compiled once) and the
// threads; guests and instances belong to the thread that runs them. `run` is called once and returns when every guest
// has ended; only `stop` may be called from other threads meanwhile.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engines/engine.h"
#include "host/guest_spec.h"

namespace wasi_netd::host {

struct GuestReport {
  engines::Outcome::Kind kind = engines::Outcome::Kind::kError;
  int exit_code = 0;    // as the process's would be: the guest's up to 255, kTrapped, kHostError
  std::string message;  // what went wrong, one line; empty after an exit
  double seconds = 0;   // from the start of its thread to its orderly end
};

class Runner {
 public:
  explicit Runner(std::vector<GuestSpec> guests);
  ~Runner();

  // One report per guest, in their order.
  std::vector<GuestReport> run();
  // Ends every guest, running or not yet started, with this exit code.
  void stop(int exit_code);

 private:
  struct TenantRelease {
    void operator()(wasi_netd_tenant* tenant) const { wasi_netd_tenant_release(tenant); }
  };
  struct Loaded {
    std::unique_ptr<engines::Module> module;
    std::string error;  // why there is none
  };

  engines::Engine* engine(EngineKind kind, std::string* error);
  Loaded& load(const GuestSpec& guest);
  GuestReport run_guest(const GuestSpec& guest, Loaded& loaded);
  engines::Outcome run_instance(const GuestSpec& guest, Loaded& loaded);
  // How a guest ends that stop() met before it ran.
  std::optional<engines::Outcome> stopped();
  engines::Outcome run_registered(const GuestSpec& guest, engines::Module& module, wasi_netd_instance* instance);
  wasi_netd_tenant* tenant(const std::string& socket);

  const std::vector<GuestSpec> guests_;
  std::map<EngineKind, std::unique_ptr<engines::Engine>> engines_;
  std::map<std::pair<EngineKind, std::string>, Loaded> modules_;

  std::mutex mutex_;                                                                 // guards those below
  std::map<std::string, std::unique_ptr<wasi_netd_tenant, TenantRelease>> tenants_;  // constant once a guest runs
  std::set<wasi_netd_instance*> running_;  // those that stop has to reach; none is freed while it is here
  std::optional<int> stopped_;
};

}  // namespace wasi_netd::host
