#pragma once
// The system's users and groups, for `peers:`. Asks the name service (getpwnam_r), so it may wait: call it while
// loading.
#include "policy/policy.h"

namespace wasi_netd::policy {

Accounts system_accounts();

}  // namespace wasi_netd::policy
