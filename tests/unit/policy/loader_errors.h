#pragma once
// The loader's errors as "line:column: message", for tables of bad files.
#include <gmock/gmock.h>

#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy::testing {

struct BadText {
  std::string_view text;
  std::string_view expected;
};

inline std::vector<std::string> errors_of(std::string_view text) {
  std::vector<std::string> shown;
  const LoadResult result = load_text(text, "t.yaml", kReserved, kAccounts);
  for (const LoadError& error : result.errors) shown.push_back(to_string(error).substr(std::string("t.yaml:").size()));
  EXPECT_EQ(result.policy == nullptr, !shown.empty());
  return shown;
}

// The whole file but for the protocols, which begin at line 4.
inline std::vector<std::string> errors_of_body(std::string_view body) {
  return errors_of(std::string(kHead) + std::string(body));
}

// A tcp protocol whose lines from 7 on are given.
inline std::vector<std::string> errors_of_tcp(std::string_view lines) {
  return errors_of_body("protocols:\n  web:\n    transport: tcp\n" + std::string(lines));
}

inline std::vector<std::string> errors_of_unix(std::string_view lines) {
  return errors_of_body("protocols:\n  chat:\n    transport: unix\n" + std::string(lines));
}

// Seven lines: what is added begins at line 8.
inline constexpr std::string_view kGood = R"(version: 1
tenant: t
peers: [{user: wasmhost}]
protocols:
  web:
    transport: tcp
    connect: {allow: ["a.example:443"]}
)";

inline std::vector<std::string> errors_of_good_with(std::string_view lines) {
  return errors_of(std::string(kGood) + std::string(lines));
}

}  // namespace wasi_netd::policy::testing
