#include "policy/loader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <sys/stat.h>

#include "policy/key_check.h"
#include "policy/question.h"
#include "policy/values.h"

namespace wasi_netd::policy {
namespace {

constexpr std::pair<std::string_view, std::optional<uint64_t> Limits::*> kLimitMembers[] = {
    {"sessions", &Limits::sessions},
    {"handles", &Limits::handles},
    {"connections", &Limits::connections},
    {"buffers", &Limits::buffers},
    {"host_connections", &Limits::host_connections},
};

}  // namespace

Loader::Loader(Problems& problems, const Reserved& reserved, const Accounts& accounts)
    : problems_(problems), accounts_(accounts), state_(new TenantPolicy::State) {
  state_->file = problems.file();
  state_->reserved = reserved;
}

const Place* Loader::place(const Node& at, std::string text) {
  return &state_->places.emplace_back(Place{at.line, at.column, std::move(text)});
}

std::shared_ptr<const TenantPolicy> Loader::build(const Node& root) {
  read_tenant(root);
  read_peers(root);
  const Node* mode = root.find("mode");
  state_->audit = mode != nullptr && mode->text == "audit";
  read_protocols(root);
  read_limits(root);
  read_guests(root);
  // What follows asks the rules, which are all there only when nothing was wrong.
  if (!problems_.ok()) return nullptr;
  check_hosts(root);
  const std::shared_ptr<TenantPolicy> policy(new TenantPolicy);
  policy->state_ = std::move(state_);
  run_tests(root, *policy);
  return problems_.ok() ? policy : nullptr;
}

void Loader::read_tenant(const Node& root) {
  const Node* tenant = root.find("tenant");
  if (tenant == nullptr) return;
  state_->tenant = tenant->text;
  const std::filesystem::path file(problems_.file());
  if (file.stem() != tenant->text || file.extension() != ".yaml") {
    problems_.error(*tenant, "the policy of tenant '" + tenant->text + "' belongs in " + tenant->text +
                                 ".yaml, not in " + file.filename().string());
  }
}

std::optional<uint32_t> Loader::read_account(const Node& peer, std::string_view key,
                                             std::optional<uint32_t> (*find)(const std::string&)) {
  const Node* node = peer.find(key);
  if (node == nullptr) return std::nullopt;
  if (const std::optional<uint64_t> number = parse_count(node->text)) return static_cast<uint32_t>(*number);
  const std::optional<uint32_t> number = find != nullptr ? find(node->text) : std::nullopt;
  if (!number) problems_.error(*node, "no " + std::string(key) + " '" + node->text + "' on this system");
  return number;
}

void Loader::read_peers(const Node& root) {
  const Node* peers = root.find("peers");
  if (peers == nullptr) return;
  for (const Node& peer : peers->items) {
    if (peer.rejected) continue;
    state_->peers.push_back({read_account(peer, "user", accounts_.user), read_account(peer, "group", accounts_.group)});
  }
}

Limits Loader::read_narrower(const Node* node, const Limits& wider, std::string_view wider_name) {
  Limits limits;
  limits.handles = wider.handles;
  limits.connections = wider.connections;
  limits.buffers = wider.buffers;
  for (const auto& [name, member] : kLimitMembers) {
    const Node* value = node != nullptr ? node->find(name) : nullptr;
    if (value == nullptr) continue;
    const bool is_size = member == &Limits::buffers;
    const std::optional<uint64_t> number = is_size ? parse_size(value->text) : parse_count(value->text);
    if (!number || (is_size && *number < kLeastBuffers)) {
      problems_.error(*value, "out of range; expected at least " + std::to_string(kLeastBuffers >> 10) + "KiB");
    } else if (wider.*member && *number > *(wider.*member)) {
      problems_.error(*value, "can never take effect: wider than `" + std::string(wider_name) + "`, which allows " +
                                  std::to_string(*(wider.*member)) + (is_size ? " bytes" : ""));
    } else {
      limits.*member = *number;
    }
  }
  return limits;
}

void Loader::read_limits(const Node& root) {
  const Node* limits = root.find("limits");
  if (limits == nullptr) return;
  state_->limits = read_narrower(limits, {}, "");
  state_->session_limits = read_narrower(limits->find("per_session"), state_->limits, "limits");
}

void Loader::read_guests(const Node& root) {
  const Node* guests = root.find("guests");
  if (guests == nullptr) return;
  state_->guests.emplace();
  state_->guests_place = place(*root.find_key("guests"), "guests");
  for (size_t i = 0; i < guests->keys.size(); ++i) {
    const Node& key = guests->keys[i];
    const Node& node = guests->items[i];
    if (key.rejected || node.rejected) continue;
    GuestState guest;
    guest.place = place(key, key.text);
    if (const Node* protocols = node.find("protocols")) {
      guest.protocols.emplace();
      for (const Node& name : protocols->items) {
        if (name.rejected) continue;
        const Node* defined = root.find("protocols");
        if (defined == nullptr || defined->find_key(name.text) == nullptr) {
          problems_.error(name, "the tenant has no protocol '" + name.text + "'");
        }
        guest.protocols->insert(name.text);
      }
    }
    guest.limits = read_narrower(node.find("limits"), state_->session_limits, "limits");
    state_->guests->emplace(key.text, std::move(guest));
  }
}

void Loader::run_tests(const Node& root, const TenantPolicy& policy) {
  const Node* tests = root.find("tests");
  if (tests == nullptr) return;
  for (const Node& test : tests->items) run_test(test, policy);
}

void Loader::run_test(const Node& test, const TenantPolicy& policy) {
  const auto* const operation =
      std::ranges::find_if(kAllOperations, [&](Operation each) { return test.find(to_string(each)) != nullptr; });
  const Node& asked = *test.find(to_string(*operation));
  const auto text_of = [&](std::string_view key) {
    const Node* node = test.find(key);
    return node != nullptr ? node->text : std::string();
  };
  const size_t space = std::min(asked.text.find(' '), asked.text.size());
  Question question{text_of("guest"), asked.text.substr(0, space), *operation, {}, text_of("via")};
  if (space < asked.text.size()) question.address = asked.text.substr(space + 1);
  // Refused whatever the rules say, it would pass as a test of them.
  if (policy.protocol(question.protocol) == nullptr) {
    return problems_.error(asked, "the test asks nothing: the tenant has no protocol '" + question.protocol + "'");
  }
  std::string error;
  const std::optional<Request> request = parse_question(policy, question, error);
  if (!request) return problems_.error(asked, "the test asks nothing: " + error);

  const Decision decision = policy.decide(*request);
  // Where the rules would allow it, the test shows that this guest is not admitted.
  if (!policy.guest(question.guest) && text_of("expect") == "deny" &&
      judge(policy.state_->protocols.find(question.protocol)->second, policy.state_->reserved, *request).outcome !=
          Judgement::Outcome::kAllow) {
    const std::string who = question.guest.empty() ? "a guest without a name" : "the guest '" + question.guest + "'";
    return problems_.error(asked, "the test shows nothing: `guests` does not admit " + who +
                                      ", and the rules deny this to any; ask for a guest that is admitted");
  }
  const std::string_view verdict = decision.verdict == Verdict::kAllow ? "allow" : "deny";
  if (verdict == text_of("expect")) return;
  problems_.error(asked, "the test fails: expected " + text_of("expect") + ", and the answer is " +
                             std::string(verdict) + ": " + decision.reason + " (" + to_string(decision.rule) + " " +
                             decision.rule.text + ")");
}

LoadResult load_text(std::string_view text, const std::string& file, const Reserved& reserved,
                     const Accounts& accounts) {
  Problems problems(file);
  LoadResult result;
  if (std::optional<Node> root = parse_yaml(text, problems)) {
    check_keys(policy_file_type(), *root, problems);
    Loader loader(problems, reserved, accounts);
    result.policy = loader.build(*root);
    result.files = loader.take_files();
  }
  result.errors = problems.take_errors();
  result.warnings = problems.take_warnings();
  return result;
}

LoadResult load_file(const std::string& path, const Reserved& reserved, const Accounts& accounts) {
  const auto failed = [&](std::string message) {
    return LoadResult{nullptr, {{path, 0, 0, std::move(message)}}, {}, {}};
  };
  // Without O_NONBLOCK a FIFO in the directory would hold the loader for ever.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return failed("cannot be read: " + std::string(std::strerror(errno)));
  struct stat status {};
  std::string text;
  std::string error;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    error = "cannot be read: not a regular file";
  } else {
    text.resize(kMaxPolicyBytes + 1);  // one more byte than allowed, which load_text refuses
    size_t size = 0;
    for (ssize_t got = 1; got > 0 && size < text.size();) {
      got = read(descriptor, text.data() + size, text.size() - size);
      if (got > 0) size += static_cast<size_t>(got);
      if (got < 0) error = "cannot be read: " + std::string(std::strerror(errno));
    }
    text.resize(size);
  }
  close(descriptor);
  return error.empty() ? load_text(text, path, reserved, accounts) : failed(std::move(error));
}

}  // namespace wasi_netd::policy
