#pragma once
// wasi-net-run's command line.
#include <optional>
#include <string>
#include <vector>

#include "host/guest_spec.h"

namespace wasi_netd::host {

struct Options {
  std::vector<GuestSpec> guests;
  bool from_manifest = false;       // many guests: report all of them
  std::optional<std::string> json;  // where the report goes as JSON; "-": stdout
};

// What is to be run; or after --help, --version or an error, which were printed, the exit code.
struct ParsedOptions {
  Options options;
  std::optional<int> exit_code;
};
ParsedOptions parse_options(int argc, const char* const* argv);

inline constexpr int kHostError = 125;  // the host program itself failed, not a guest
inline constexpr int kTrapped = 134;    // as a shell shows a process that aborted

}  // namespace wasi_netd::host
