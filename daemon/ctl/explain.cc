#include <algorithm>
#include <cstdio>

#include "daemon/ctl/commands.h"
#include "policy/json_schema.h"
#include "policy/policy.h"
#include "policy/printable.h"
#include "policy/question.h"

namespace wasi_netd::ctl {
namespace {

using policy::Decision;
using policy::json_quote;
using policy::Request;

// Who may open sessions is not asked here, so the accounts need not exist on this machine.
std::optional<uint32_t> any_account(const std::string&) { return 0; }

struct Answer {
  std::string address;  // as judged
  Decision decision;
};

std::string class_of(const Request& request) {
  const auto* ip = std::get_if<policy::IpEndpoint>(&request.endpoint);
  return ip == nullptr ? std::string() : std::string(to_string(classify(ip->address)));
}

// For a name that the policy itself answers (`resolver.hosts`): what becomes of each answer.
std::vector<Answer> static_answers(const policy::TenantPolicy& tenant, const Request& request) {
  std::vector<Answer> answers;
  const auto* name = std::get_if<policy::NameEndpoint>(&request.endpoint);
  const policy::Protocol* protocol = tenant.protocol(request.protocol);
  if (name == nullptr || protocol == nullptr) return answers;
  const auto host = protocol->resolver.hosts.find(name->name);
  if (host == protocol->resolver.hosts.end()) return answers;
  for (const policy::IpAddress& address : host->second) {
    Request resolved = request;
    resolved.endpoint = policy::IpEndpoint{address, name->port};
    resolved.via_name = name->name;
    const bool has_port = request.operation != policy::Operation::kResolve;
    answers.push_back({has_port ? to_string(resolved.endpoint) : to_string(address), tenant.decide(resolved)});
  }
  return answers;
}

// As the daemon records it: a name is allowed when one of its answers is, by the rule of the first such.
const Decision& overall(const Decision& name, const std::vector<Answer>& answers) {
  if (!name.permitted() || answers.empty()) return name;
  const auto allowed = std::ranges::find_if(answers, [](const Answer& each) { return each.decision.permitted(); });
  return allowed != answers.end() ? allowed->decision : answers.front().decision;
}

std::string json_members(const Decision& decision) {
  return "\"verdict\": " + json_quote(to_string(decision.verdict)) +
         ", \"rule\": " + json_quote(to_string(decision.rule)) +
         ", \"column\": " + std::to_string(decision.rule.column) + ", \"text\": " + json_quote(decision.rule.text) +
         ", \"reason\": " + json_quote(decision.reason);
}

void print_json(const ExplainOptions& options, const Request& request, const Decision& decision,
                const std::vector<Answer>& answers) {
  std::string text = "{" + json_members(decision) + ", \"protocol\": " + json_quote(options.protocol) +
                     ", \"operation\": " + json_quote(options.operation) +
                     ", \"address\": " + json_quote(options.address);
  if (const std::string kind = class_of(request); !kind.empty()) text += ", \"class\": " + json_quote(kind);
  if (!answers.empty()) text += ", \"answers\": [";
  for (size_t i = 0; i < answers.size(); ++i) {
    text += (i == 0 ? "{" : ", {") + ("\"address\": " + json_quote(answers[i].address) + ", ") +
            json_members(answers[i].decision) + "}";
  }
  if (!answers.empty()) text += "]";
  std::printf("%s}\n", text.c_str());
}

void print_text(const Decision& decision, const std::string& prefix, const std::string& suffix) {
  const std::string line = prefix + std::string(to_string(decision.verdict)) + " " + to_string(decision.rule) + " \"" +
                           decision.rule.text + "\": " + decision.reason + suffix;
  std::printf("%s\n", policy::printable(line).c_str());
}

}  // namespace

int explain(const ExplainOptions& options) {
  const policy::LoadResult loaded =
      policy::load_file(options.policy, policy::reserve(options.reserved), policy::Accounts{any_account, any_account});
  for (const policy::LoadError& error : loaded.errors) std::fprintf(stderr, "%s\n", to_string(error).c_str());
  if (loaded.policy == nullptr) return kMisused;

  const policy::Question question{options.guest, options.protocol, *policy::parse_operation(options.operation),
                                  options.address, options.via};
  std::string error;
  const std::optional<Request> request = policy::parse_question(*loaded.policy, question, error);
  if (!request) {
    std::fprintf(stderr, "wasi-netctl: '%s': %s\n", policy::printable(options.address).c_str(), error.c_str());
    return kMisused;
  }
  const Decision asked = loaded.policy->decide(*request);
  const std::vector<Answer> answers = static_answers(*loaded.policy, *request);
  const Decision& decision = overall(asked, answers);
  if (options.json) {
    print_json(options, *request, decision, answers);
  } else {
    const std::string kind = class_of(*request);
    print_text(decision, "", kind.empty() ? "" : " [" + kind + "]");
    for (const Answer& answer : answers) print_text(answer.decision, "  " + answer.address + " ", "");
  }
  return decision.verdict == policy::Verdict::kAllow ? kYes : kNo;
}

}  // namespace wasi_netd::ctl
