#include "policy/accounts.h"

#include <array>
#include <grp.h>
#include <pwd.h>

namespace wasi_netd::policy {
namespace {

// Holds the longest entry of any sensible directory service; a longer one counts as unknown.
using Buffer = std::array<char, 65536>;

std::optional<uint32_t> find_user(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  Buffer buffer;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  return entry.pw_uid;
}

std::optional<uint32_t> find_group(const std::string& name) {
  group entry{};
  group* found = nullptr;
  Buffer buffer;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  return entry.gr_gid;
}

}  // namespace

Accounts system_accounts() { return {find_user, find_group}; }

}  // namespace wasi_netd::policy
