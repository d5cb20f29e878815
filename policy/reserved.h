#pragma once
// The directories that the daemon keeps for itself, and the paths that follow from them: one answer for the daemon,
// which enforces it, and for wasi-netctl, which foretells it. Reads the file system; any thread.
#include <span>
#include <string>

#include "policy/policy.h"

namespace wasi_netd::policy {

// Where a daemon that is told nothing else keeps its policies and its sockets.
inline constexpr const char* kDefaultPolicyDir = "/etc/wasi-netd/policy";
inline constexpr const char* kDefaultRuntimeDir = "/run/wasi-netd";

// Each directory in both spellings: as given, and as the kernel resolves it.
Reserved reserve(std::span<const std::string> directories);

}  // namespace wasi_netd::policy
