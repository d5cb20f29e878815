#include "policy/reserved.h"

#include <filesystem>
#include <system_error>

namespace wasi_netd::policy {

namespace fs = std::filesystem;

Reserved reserve(std::span<const std::string> directories) {
  Reserved result;
  for (const std::string& directory : directories) {
    std::error_code ignored;
    const fs::path as_given = fs::absolute(directory, ignored).lexically_normal();
    const fs::path resolved = fs::weakly_canonical(directory, ignored);
    for (const fs::path& path : {as_given, resolved}) {
      if (!path.empty()) result.unix_prefixes.push_back(path.string());
    }
  }
  return result;
}

}  // namespace wasi_netd::policy
