// The table as a whole. Made once, on first use; read only from then on, from any thread.
#include <algorithm>
#include <cstring>
#include <vector>

#include "guest_abi/import.h"

namespace wasi_netd::guest_abi {
namespace {

constexpr const char* kPreview1 = "wasi_snapshot_preview1";

wasi_netd_errno no_such_call(Call&) { return errc::nosys; }
constexpr wasi_netd_import kStub = {kPreview1, "", nullptr, entry<no_such_call>};

const std::vector<wasi_netd_import>& table() {
  static const std::vector<wasi_netd_import> all = [] {
    std::vector<wasi_netd_import> entries;
    for (const auto part : {networking_imports(), networking_ext_imports(), preview1_fd_imports(),
                            preview1_poll_imports(), preview1_system_imports(), preview1_files_imports()}) {
      entries.insert(entries.end(), part.begin(), part.end());
    }
    return entries;
  }();
  return all;
}

}  // namespace
}  // namespace wasi_netd::guest_abi

const wasi_netd_import* wasi_netd_imports(size_t* count) {
  const auto& all = wasi_netd::guest_abi::table();
  *count = all.size();
  return all.data();
}

const wasi_netd_import* wasi_netd_import_find(const char* module, const char* name) {
  using namespace wasi_netd::guest_abi;
  const auto& all = table();
  const auto found = std::find_if(all.begin(), all.end(), [&](const wasi_netd_import& entry) {
    return std::strcmp(entry.module, module) == 0 && std::strcmp(entry.name, name) == 0;
  });
  if (found != all.end()) return &*found;
  return std::strcmp(module, kPreview1) == 0 ? &kStub : nullptr;
}
