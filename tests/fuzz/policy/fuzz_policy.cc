// Fuzz target: any bytes as a policy file, as an address, as a rule and as a proxy's URL, and any request to a policy
// that loaded. Nothing may crash or hang, errors have places within the text, addresses are read back as they are
// printed, and every decision cites a rule.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "policy/policy.h"
#include "policy/proxy_url.h"
#include "policy/question.h"
#include "policy/rule_text.h"

namespace {

using namespace wasi_netd::policy;

void require(bool holds) {
  if (!holds) std::abort();
}

std::optional<uint32_t> any_account(const std::string&) { return 7; }

void read_addresses(std::string_view text) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp, Transport::kUnix}) {
    const std::optional<Endpoint> endpoint = parse_endpoint(text, transport);
    if (!endpoint) continue;
    const std::optional<Endpoint> again = parse_endpoint(to_string(*endpoint), transport);
    require(again && *again == *endpoint);
    if (const auto* ip = std::get_if<IpEndpoint>(&*endpoint)) require(!to_string(classify(ip->address)).empty());
    std::string error;
    for (const Operation section : {Operation::kConnect, Operation::kOpen, Operation::kAccept}) {
      if (!parse_rule(text, transport, section, error)) require(!error.empty());
      error.clear();
    }
  }
}

void read_url(std::string_view text) {
  Proxy proxy;
  std::string error;
  if (!parse_proxy_url(text, proxy, error)) return require(!error.empty());
  require(error.empty() && proxy.user.find(':') == std::string::npos);
  const std::optional<Endpoint> again = parse_endpoint(to_string(proxy.address), Transport::kTcp);
  require(again && *again == proxy.address);
}

void ask(const TenantPolicy& policy, std::string_view text) {
  constexpr std::string_view kAddresses[] = {
      "127.0.0.1:80", "[64:ff9b::7f00:1]:443", "a.example.com:443", "0.0.0.0:0", "@a", "/run/a", ""};
  const std::string own(text.substr(0, std::min(text.find('\n'), text.size())));
  const std::optional<TenantPolicy::GuestView> guest = policy.guest("");
  require(!policy.peer_allowed(1, 1) || !policy.tenant().empty());
  for (const Protocol* protocol : guest ? guest->protocols : std::vector<const Protocol*>{}) {
    for (const Operation operation : kAllOperations) {
      std::string error;
      for (const std::string_view address : kAddresses) {
        const auto request = parse_question(policy, {"", protocol->name, operation, std::string(address), ""}, error);
        if (!request) continue;
        const Decision decision = policy.decide(*request);
        require(decision.rule.line > 0 && decision.rule.column > 0 && !decision.rule.text.empty() &&
                !decision.reason.empty());
      }
      const auto request = parse_question(policy, {"", protocol->name, operation, own, "a.example.com"}, error);
      if (request) require(policy.decide(*request).rule.line > 0);
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_addresses(text);
  read_url(text);
  const LoadResult result = load_text(text, "acme.yaml", {{"/run/wasi-netd"}}, {any_account, any_account});
  require((result.policy == nullptr) == !result.errors.empty());
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  // yaml-cpp puts the end of the text on a line of its own.
  for (const LoadError& error : result.errors)
    require(error.line >= 0 && error.line <= lines + 1 && !error.message.empty());
  if (result.policy != nullptr) ask(*result.policy, text);
  return 0;
}
