#pragma once
// The commands of wasi-netctl that work on files alone, without a daemon. Each prints to stdout (problems to stderr)
// and returns the process's exit status.
#include <string>
#include <vector>

#include "policy/reserved.h"

namespace wasi_netd::ctl {

inline constexpr int kYes = 0;      // every file is good; allowed
inline constexpr int kNo = 1;       // some file is not; denied
inline constexpr int kMisused = 2;  // the question cannot be answered: bad arguments or a policy that does not load

// What a daemon with default settings keeps for itself.
inline const std::vector<std::string> kDefaultReserved{policy::kDefaultRuntimeDir, policy::kDefaultPolicyDir};

struct CheckOptions {
  std::vector<std::string> paths;                        // files and directories
  std::vector<std::string> reserved = kDefaultReserved;  // the daemon's directories
  bool other_machine = false;  // look neither users and groups up nor the files that policies name
};
int check(const CheckOptions&);

struct ExplainOptions {
  std::string policy;
  std::string guest;
  std::string via;
  std::string protocol;
  std::string operation;
  std::string address;
  std::vector<std::string> reserved = kDefaultReserved;
  bool json = false;
};
// Asks the same decide() as the daemon. Where the policy's own `resolver.hosts` answers the name, each answer
// is judged too, and the verdict is theirs, as in the daemon's audit record.
int explain(const ExplainOptions&);

int print_schema();

}  // namespace wasi_netd::ctl
