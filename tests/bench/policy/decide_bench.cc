// Nanoseconds per decision with 1, 100, 10,000 and 100,000 rules of each kind, for a request that the last rule allows
// and one that no rule matches; and how long a file of that many rules takes to load.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <benchmark/benchmark.h>

#include "policy/policy.h"
#include "policy/question.h"

namespace {

using namespace wasi_netd::policy;

std::optional<uint32_t> any_account(const std::string&) { return 1; }

std::string number(int value) {
  char text[16];
  std::snprintf(text, sizeof text, "%06d", value);
  return text;
}

struct Kind {
  const char* name;
  const char* transport;
  std::string (*rule)(int index);
  std::string (*request)(int index);  // one that this rule allows
  const char* stranger;               // one that no rule matches
};

const Kind kKinds[] = {
    {"name", "tcp", [](int i) { return "host-" + number(i) + ".example.com:443"; },
     [](int i) { return "host-" + number(i) + ".example.com:443"; }, "a.b.c.d.other.example.com:443"},
    {"wildcard", "tcp", [](int i) { return "*.zone-" + number(i) + ".example.com:443"; },
     [](int i) { return "a.b.zone-" + number(i) + ".example.com:443"; }, "a.b.c.d.other.example.com:443"},
    // Lengths from 16 to 32, as in lists that people keep.
    {"ipv4", "tcp",
     [](int i) {
       const int length = 16 + i % 17;
       const unsigned bits = (0x0b000000u + static_cast<unsigned>(i) * 4096u) & (0xffffffffu << (32 - length));
       return std::to_string(bits >> 24) + "." + std::to_string(bits >> 16 & 255) + "." +
              std::to_string(bits >> 8 & 255) + "." + std::to_string(bits & 255) + "/" + std::to_string(length) + ":" +
              std::to_string(1 + i % 60000);
     },
     [](int i) {
       const int length = 16 + i % 17;
       const unsigned bits = (0x0b000000u + static_cast<unsigned>(i) * 4096u) & (0xffffffffu << (32 - length));
       return std::to_string(bits >> 24) + "." + std::to_string(bits >> 16 & 255) + "." +
              std::to_string(bits >> 8 & 255) + "." + std::to_string(bits & 255) + ":" + std::to_string(1 + i % 60000);
     },
     "223.1.2.3:65000"},
    {"ipv6", "tcp",
     [](int i) {
       return "[2a00:" + std::to_string(i / 9999 + 1) + ":" + std::to_string(i % 9999 + 1) + "::]/" +
              std::to_string(48 + i % 17) + ":443";
     },
     [](int i) { return "[2a00:" + std::to_string(i / 9999 + 1) + ":" + std::to_string(i % 9999 + 1) + "::1]:443"; },
     "[2b00::1]:443"},
    {"path", "unix", [](int i) { return "/run/app/" + number(i) + ".sock"; },
     [](int i) { return "/run/app/" + number(i) + ".sock"; }, "/run/other/x.sock"},
    {"directory", "unix", [](int i) { return "/run/app/" + number(i) + "/"; },
     [](int i) { return "/run/app/" + number(i) + "/x.sock"; }, "/run/other/x.sock"},
    {"abstract", "unix", [](int i) { return "@app-" + number(i) + "-*"; },
     [](int i) { return "@app-" + number(i) + "-x"; }, "@other"},
};

std::string file_of(const Kind& kind, int rules) {
  std::string text = "version: 1\ntenant: bench\npeers: [{user: 1}]\nprotocols:\n  p:\n    transport: ";
  text += std::string(kind.transport) + "\n    connect:\n      allow:\n";
  for (int i = 0; i < rules; ++i) text += "        - \"" + kind.rule(i) + "\"\n";
  return text;
}

std::shared_ptr<const TenantPolicy> load(const std::string& text) {
  const LoadResult result = load_text(text, "bench.yaml", {{"/run/wasi-netd"}}, {any_account, any_account});
  for (const LoadError& error : result.errors) std::fprintf(stderr, "%s\n", to_string(error).c_str());
  if (result.policy == nullptr) std::abort();
  return result.policy;
}

void decide(benchmark::State& state, const Kind& kind, bool matching) {
  const int rules = static_cast<int>(state.range(0));
  const auto policy = load(file_of(kind, rules));
  std::string error;
  const std::string address = matching ? kind.request(rules - 1) : kind.stranger;
  const auto request = parse_question(*policy, {"", "p", Operation::kConnect, address, ""}, error);
  if (!request || policy->decide(*request).permitted() != matching) state.SkipWithError("the wrong verdict");
  for (auto _ : state) benchmark::DoNotOptimize(policy->decide(*request));
}

void load_file_of(benchmark::State& state, const Kind& kind) {
  const std::string text = file_of(kind, static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(load(text));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Kind& kind : kKinds) {
    for (const bool matching : {true, false}) {
      const std::string name = std::string("decide/") + kind.name + (matching ? "/allowed" : "/no_rule");
      benchmark::RegisterBenchmark(name.c_str(), decide, std::cref(kind), matching)
          ->Arg(1)
          ->Arg(100)
          ->Arg(10'000)
          ->Arg(100'000);
    }
  }
  for (const Kind& kind : kKinds) {
    const std::string name = std::string("load/") + kind.name;
    benchmark::RegisterBenchmark(name.c_str(), load_file_of, std::cref(kind))
        ->Arg(10'000)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
