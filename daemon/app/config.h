#pragma once
// What the daemon is told at start: the YAML file of --config, with the command line's options on top.
//
// Plain values; read once, before any thread. Strict like the policy files: an unknown key, a wrong type or a value out
// of range is "file:line:column: what was expected". Defaults are here, those of the directories in policy/reserved.h.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "policy/reserved.h"

namespace wasi_netd {

struct Config {
  std::string policy_dir = policy::kDefaultPolicyDir;    // *.yaml, one per tenant
  std::string runtime_dir = policy::kDefaultRuntimeDir;  // <runtime_dir>/tenants/<tenant>.sock
  unsigned loops = 0;                                    // event loops (threads); 0: one per core
  std::chrono::milliseconds linger{10'000};              // how long written bytes of an ended session are delivered
  std::chrono::milliseconds drain{5'000};                // how long sessions may finish after SIGTERM
  std::string audit_file = "-";                          // JSON lines; "-": stdout
  uint32_t audit_queue = 8192;                           // records waiting to be written; more are dropped and counted
  std::string log_level = "info";                        // trace debug info warn error; the log goes to stderr
  bool tls_key_log = false;                              // honour SSLKEYLOGFILE: whoever reads it can read the traffic
};

// Reads `file` into the defaults. Errno::noent: cannot be read; Errno::inval: detail is the position and what is wrong,
// a line per error.
Result<Config> load_config(const std::string& file);

}  // namespace wasi_netd
