#pragma once
// The daemon as one object: loops, tenants, their sockets.
//
// start() loads every policy (all must be good), makes the runtime directory and the tenants' sockets and begins to
// serve; drain() and the destructor end it. Called from one thread, not from a loop; in tests it runs inside the test.
#include <memory>
#include <string>
#include <vector>

#include "daemon/app/config.h"
#include "policy/policy.h"

namespace wasi_netd {

struct Policies {
  std::vector<std::shared_ptr<const policy::TenantPolicy>> tenants;  // sorted by tenant name
  std::vector<std::string> errors;                                   // "file:line:column: message"
  std::vector<std::string> warnings;
};
// Every *.yaml of the directory, and the certificates and keys they name. Two files of one tenant, or no file at all,
// is an error.
Policies load_policies(const Config&);

class Daemon {
 public:
  // Errors name the path or key they are about.
  static Result<std::unique_ptr<Daemon>> start(const Config&, const Policies&);
  // Aborts what is left; returns when every object is gone.
  ~Daemon();
  // Takes no new host connections or sessions, tells the sessions, waits until they are gone or config.drain has
  // passed.
  void drain();

  std::string socket_path(const std::string& tenant) const;

  struct Counts {  // live objects, summed over the tenants; for tests and the final log line
    size_t host_connections = 0, sessions = 0, handles = 0, connections = 0;
    uint64_t buffers = 0, calls = 0;
  };
  Counts counts() const;

 private:
  Daemon();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wasi_netd
