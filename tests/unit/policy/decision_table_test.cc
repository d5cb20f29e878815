// The shared table of decisions, asked of decide() the way the daemon asks.
#include "tests/support/decision_table.h"

#include <map>
#include <tuple>

#include "tests/unit/policy/loaded.h"

namespace wasi_netd::test {
namespace {

using policy::Decision;
using policy::Operation;
using policy::Request;
using policy::TenantPolicy;
using policy::Verdict;

const std::string kDirectory = "/tmp/decision-table";

// The name first; when it is allowed, the address that the policy gives for it.
Decision judge(const TenantPolicy& tenant, const DecisionRow& row) {
  std::string error;
  const auto request = policy::parse_question(tenant, {"", row.protocol, row.operation, row.address, ""}, error);
  if (!request) {
    ADD_FAILURE() << row.address << ": " << error;
    return {};
  }
  Decision decision = tenant.decide(*request);
  if (row.answer.empty() || !decision.permitted()) return decision;
  const auto& name = std::get<policy::NameEndpoint>(request->endpoint);
  Request resolved = *request;
  resolved.via_name = name.name;
  resolved.endpoint = policy::IpEndpoint{*policy::parse_ip(row.answer), name.port};
  return tenant.decide(resolved);
}

void expect_rows(const std::string& text, const std::string& file, const std::vector<DecisionRow>& rows) {
  const auto loaded = policy::load_text(text, file, {}, {});
  for (const policy::LoadError& error : loaded.errors) ADD_FAILURE() << to_string(error);
  ASSERT_TRUE(loaded.policy);
  for (const DecisionRow& row : rows) {
    const Decision decision = judge(*loaded.policy, row);
    const std::string what = row.protocol + " " + std::string(to_string(row.operation)) + " " + row.address;
    EXPECT_EQ(to_string(decision.verdict), to_string(row.verdict)) << what << ": " << decision.reason;
    EXPECT_EQ(decision.rule.text, row.rule) << what << ": " << decision.reason;
  }
}

TEST(DecisionTable, EveryRowIsAnsweredByItsRule) {
  expect_rows(decision_policy(0, kDirectory), "decisions.yaml", decision_table(kDirectory));
}

TEST(DecisionTable, EveryRowIsLetPassInAuditModeWithTheRuleThatRefusesIt) {
  expect_rows(watched_policy(0), "watched.yaml", watched_table());
}

// No rule of udp is judged by anything of its own: every row of tcp holds, and datagrams are answered as connecting to
// and accepting of their peer are.
TEST(DecisionTable, UdpAndItsDatagramsAreAnsweredAsTcpIs) {
  const auto loaded = policy::load_text(decision_policy(0, kDirectory, "udp"), "decisions.yaml", {}, {});
  for (const policy::LoadError& error : loaded.errors) ADD_FAILURE() << to_string(error);
  ASSERT_TRUE(loaded.policy);
  ASSERT_EQ(loaded.policy->protocol("in")->transport, policy::Transport::kUdp);
  std::map<std::tuple<Operation, Verdict, policy::AddressClass>, int> datagrams;
  for (DecisionRow row : decision_table(kDirectory)) {
    const auto expect_answer = [&] {
      const Decision decision = judge(*loaded.policy, row);
      const std::string what = row.protocol + " " + std::string(to_string(row.operation)) + " " + row.address;
      EXPECT_EQ(to_string(decision.verdict), to_string(row.verdict)) << what << ": " << decision.reason;
      EXPECT_EQ(decision.rule.text, row.rule) << what << ": " << decision.reason;
    };
    expect_answer();
    const bool outbound = row.operation == Operation::kConnect;
    if (!outbound && row.operation != Operation::kAccept) continue;
    row.operation = outbound ? Operation::kSendTo : Operation::kRecvFrom;
    expect_answer();
    if (row.protocol != "local") ++datagrams[{row.operation, row.verdict, row.address_class}];
  }
  for (const Operation operation : {Operation::kSendTo, Operation::kRecvFrom}) {
    for (const Verdict verdict : {Verdict::kAllow, Verdict::kDeny}) {
      for (const ClassSample& sample : kClassSamples)
        EXPECT_GE((datagrams[{operation, verdict, sample.address_class}]), 5) << to_string(sample.address_class);
    }
  }
}

TEST(DecisionTable, ThereAreFiveRequestsForEveryOperationVerdictAndAddressClass) {
  std::map<std::tuple<Operation, Verdict, policy::AddressClass>, int> counts;
  std::vector<DecisionRow> rows = decision_table(kDirectory);
  for (DecisionRow& row : watched_table()) rows.push_back(std::move(row));
  for (const DecisionRow& row : rows) {
    const std::string address = !row.answer.empty() ? row.answer : row.address;
    const auto endpoint = policy::parse_endpoint(address, policy::Transport::kTcp);
    auto ip = policy::parse_ip(address);
    if (endpoint && std::holds_alternative<policy::IpEndpoint>(*endpoint))
      ip = std::get<policy::IpEndpoint>(*endpoint).address;
    if (ip) {
      EXPECT_EQ(classify(*ip), row.address_class) << address;
      ++counts[{row.operation, row.verdict, row.address_class}];
    }
  }
  for (const Operation operation :
       {Operation::kConnect, Operation::kOpen, Operation::kListen, Operation::kAccept, Operation::kResolve}) {
    for (const Verdict verdict : {Verdict::kAllow, Verdict::kDeny, Verdict::kWouldDeny}) {
      const std::string what = std::string(to_string(operation)) + " " + std::string(to_string(verdict));
      for (const ClassSample& sample : kClassSamples) {
        const bool guarded = sample.address_class != policy::AddressClass::kPublic;
        if (operation == Operation::kResolve && verdict == Verdict::kWouldDeny && guarded) continue;
        EXPECT_GE((counts[{operation, verdict, sample.address_class}]), 5) << what << to_string(sample.address_class);
      }
    }
  }
}

}  // namespace
}  // namespace wasi_netd::test
