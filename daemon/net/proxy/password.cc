#include "daemon/net/proxy/password.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>

#include <sys/stat.h>

#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {
namespace {

constexpr size_t kMaxPasswordFile = 4096;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

Error unusable(const std::string& path, std::string_view why) {
  return Error{Errno::io, "password file " + path + ": " + std::string(why)};
}

}  // namespace

Result<Secret> read_password(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.valid()) return unusable(path, std::strerror(errno));
  struct stat kind {};
  if (::fstat(file.get(), &kind) != 0) return unusable(path, std::strerror(errno));
  if (!S_ISREG(kind.st_mode)) return unusable(path, "not a regular file");

  Secret text(kMaxPasswordFile);
  if (text.read_from(file.get()) < 0) return unusable(path, std::strerror(errno));
  const std::string_view all = text.view();
  size_t end = all.find('\n');
  if (end == std::string_view::npos) {
    if (all.size() == kMaxPasswordFile) return unusable(path, "its first line is too long");
    end = all.size();
  }
  if (end > 0 && all[end - 1] == '\r') --end;
  text.shorten(end);
  const std::string_view line = text.view();
  if (std::ranges::any_of(line, is_control)) return unusable(path, "its first line has a control character");
  return text;
}

}  // namespace wasi_netd::net
