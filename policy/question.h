#pragma once
// A request as people write it: in a policy's `tests:` and on wasi-netctl's command line. Pure, any thread.
#include <optional>
#include <string>
#include <string_view>

#include "policy/policy.h"

namespace wasi_netd::policy {

struct Question {
  std::string guest;  // may be empty
  std::string protocol;
  Operation operation = Operation::kConnect;
  std::string address;  // as guests write it; for kResolve a name, or with `via` an address without port
  std::string via;      // the name that the address came from (kConnect, kResolve); may be empty
};

// nullopt: not an address that the operation takes, and `error` says what was expected. A protocol that the tenant does
// not have is no error here: decide() refuses it.
std::optional<Request> parse_question(const TenantPolicy&, const Question&, std::string& error);

}  // namespace wasi_netd::policy
