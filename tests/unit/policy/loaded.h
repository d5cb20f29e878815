#pragma once
// Policies for tests: a body of YAML put under the head that every file needs, and loaded as t.yaml with accounts that
// do not depend on the machine. Answers are compared as "verdict rule", and every answer's position is checked against
// the source, so that tables need no line numbers.
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "policy/policy.h"
#include "policy/question.h"

namespace wasi_netd::policy::testing {

inline std::optional<uint32_t> known_account(const std::string& name) {
  if (name == "wasmhost") return 990;
  return std::nullopt;
}
inline const Accounts kAccounts{known_account, known_account};
inline const Reserved kReserved{{"/run/wasi-netd", "/etc/wasi-netd/"}};

// Three lines: a body's first line is line 4.
inline constexpr std::string_view kHead = "version: 1\ntenant: t\npeers: [{user: wasmhost}]\n";

inline LoadResult load_body(std::string_view body) {
  return load_text(std::string(kHead) + std::string(body), "t.yaml", kReserved, kAccounts);
}

// What stands at a 1-based line and column.
inline std::string_view text_at(std::string_view source, int line, int column) {
  for (; line > 1; --line) source.remove_prefix(std::min(source.find('\n') + 1, source.size()));
  const std::string_view rest = source.substr(std::min(static_cast<size_t>(column - 1), source.size()));
  return rest.substr(0, rest.find('\n'));
}

class Loaded {
 public:
  explicit Loaded(std::string_view body) : source_(std::string(kHead) + std::string(body)) {
    const LoadResult result = load_text(source_, "t.yaml", kReserved, kAccounts);
    for (const LoadError& error : result.errors) ADD_FAILURE() << to_string(error);
    policy_ = result.policy;
  }
  const TenantPolicy& operator*() const { return *policy_; }
  const TenantPolicy* operator->() const { return policy_.get(); }

  // "allow 10.0.0.0/8"; the rule's position must be where its text stands.
  std::string ask(const Question& question) const {
    std::string error;
    const std::optional<Request> request = parse_question(*policy_, question, error);
    if (!request) return "not a question: " + error;
    return shown(policy_->decide(*request));
  }
  std::string shown(const Decision& decision) const {
    EXPECT_EQ(decision.rule.file, "t.yaml");
    EXPECT_FALSE(decision.reason.empty());
    std::string_view at = text_at(source_, decision.rule.line, decision.rule.column);
    if (at.starts_with('"')) at.remove_prefix(1);
    EXPECT_TRUE(at.starts_with(decision.rule.text)) << decision.rule.text << " is not at " << to_string(decision.rule)
                                                    << ":" << decision.rule.column << ", where this is: " << at;
    return std::string(to_string(decision.verdict)) + " " + decision.rule.text;
  }

 private:
  std::string source_;
  std::shared_ptr<const TenantPolicy> policy_;
};

struct Row {
  const char* address;
  const char* via;  // "" for an address the guest gave
  const char* expected;
};

inline void expect_rows(const Loaded& policy, const char* protocol, Operation operation, std::span<const Row> rows) {
  for (const Row& row : rows) {
    EXPECT_EQ(policy.ask({"", protocol, operation, row.address, row.via}), row.expected)
        << to_string(operation) << " '" << row.address << "' via '" << row.via << "'";
  }
}

}  // namespace wasi_netd::policy::testing
