// wasi-net-run: the host program. Parses, runs, reports; everything else is in runner.h.
#include <algorithm>
#include <csignal>
#include <exception>
#include <fstream>
#include <iostream>

#include <sys/resource.h>

#include "host/options.h"
#include "host/report.h"
#include "host/runner.h"
#include "host/signals.h"

namespace wasi_netd::host {
namespace {

// A guest's stdio takes three descriptors, so a thousand guests exceed the usual soft limit.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool write_report(const std::string& path, const std::string& text) {
  if (path == "-") return static_cast<bool>(std::cout << text << std::flush);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  return static_cast<bool>(file << text << std::flush);
}

int run(const Options& options) {
  Runner runner(options.guests);
  std::vector<GuestReport> reports;
  {
    const StopSignals signals([&](int exit_code) { runner.stop(exit_code); });
    reports = runner.run();
  }
  if (options.json && !write_report(*options.json, json(options.guests, reports))) {
    std::cerr << "wasi-net-run: " << *options.json << ": cannot be written\n";
    return kHostError;
  }
  if (options.from_manifest) {
    if (!options.json) std::cout << table(options.guests, reports) << std::flush;
    return std::ranges::all_of(reports, [](const auto& report) { return report.exit_code == 0; }) ? 0 : 1;
  }
  const auto& report = reports[0];
  if (!report.message.empty()) {
    const bool trapped = report.kind == engines::Outcome::Kind::kTrap;
    std::cerr << "wasi-net-run: " << (trapped ? "the guest trapped: " : "") << report.message << '\n';
  }
  return report.exit_code;
}

}  // namespace
}  // namespace wasi_netd::host

int main(int argc, char** argv) {
  using namespace wasi_netd::host;
  std::signal(SIGPIPE, SIG_IGN);  // a guest's write to a closed pipe is an errno of the guest's
  try {
    const auto parsed = parse_options(argc, argv);
    if (parsed.exit_code) return *parsed.exit_code;
    allow_many_descriptors();
    return run(parsed.options);
  } catch (const std::exception& error) {
    std::cerr << "wasi-net-run: " << error.what() << '\n';
    return kHostError;
  }
}
