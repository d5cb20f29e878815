#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "daemon/ctl/commands.h"
#include "policy/accounts.h"
#include "policy/json_schema.h"
#include "policy/policy.h"
#include "policy/printable.h"

namespace wasi_netd::ctl {
namespace {

std::optional<uint32_t> any_account(const std::string&) { return 0; }

void complain(const std::string& message) { std::fprintf(stderr, "%s\n", policy::printable(message).c_str()); }

// The files that `path` stands for; false, with a message, when there are none.
bool expand(const std::string& path, std::vector<std::string>& files) {
  std::error_code failure;
  if (!std::filesystem::is_directory(path, failure)) {
    files.push_back(path);  // what is wrong with it, the loader says
    return true;
  }
  std::vector<std::string> found;
  for (std::filesystem::directory_iterator entry(path, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (entry->path().extension() == ".yaml") found.push_back(entry->path().string());
  }
  if (failure)
    complain(path + ": " + failure.message());
  else if (found.empty())
    complain(path + ": no policy, which would be a file *.yaml");
  std::ranges::sort(found);
  files.insert(files.end(), found.begin(), found.end());
  return !failure && !found.empty();
}

void warn(const std::string& file, int line, int column, const std::string& message) {
  complain(to_string(policy::LoadError{file, line, column, "warning: " + message}));
}

// What would keep the daemon from using a file that the policy names, or others from keeping off it; empty: nothing.
std::string fault_of(const policy::NamedFile& named) {
  std::error_code failure;
  const std::filesystem::file_status status = std::filesystem::status(named.path, failure);
  if (!std::filesystem::status_known(status) || !std::filesystem::exists(status)) return failure.message();
  if (!std::filesystem::is_regular_file(status)) return "not a regular file";
  constexpr auto kOthers = std::filesystem::perms::others_read | std::filesystem::perms::others_write;
  const bool open_to_all = (status.permissions() & kOthers) != std::filesystem::perms::none;
  if (named.secret && open_to_all) return "holds a secret, and every user of this machine has access to it";
  return {};
}

}  // namespace

int check(const CheckOptions& options) {
  const policy::Accounts accounts =
      options.other_machine ? policy::Accounts{any_account, any_account} : policy::system_accounts();
  const policy::Reserved reserved = policy::reserve(options.reserved);
  bool good = true;
  std::vector<std::string> files;
  for (const std::string& path : options.paths) good = expand(path, files) && good;
  for (const std::string& file : files) {
    const policy::LoadResult result = policy::load_file(file, reserved, accounts);
    for (const policy::LoadError& error : result.errors) complain(to_string(error));
    for (const policy::LoadError& warning : result.warnings)
      warn(warning.file, warning.line, warning.column, warning.message);
    for (const policy::NamedFile& named : result.files) {
      const std::string fault = options.other_machine ? std::string() : fault_of(named);
      if (!fault.empty()) warn(file, named.line, named.column, "'" + named.path + "': " + fault);
    }
    if (result.policy != nullptr)
      std::printf("%s: ok, tenant %s\n", policy::printable(file).c_str(), result.policy->tenant().c_str());
    good = good && result.policy != nullptr;
  }
  return good ? kYes : kNo;
}

int print_schema() {
  std::fputs(policy::json_schema().c_str(), stdout);
  return kYes;
}

}  // namespace wasi_netd::ctl
