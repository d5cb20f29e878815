#include "daemon/net/proxy/secret.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
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

Secret::~Secret() {
  if (bytes_) OPENSSL_cleanse(bytes_.get(), capacity_);
}

void Secret::append(std::string_view bytes) {
  WASI_NETD_CHECK(bytes.size() <= capacity_ - size_, "room in a secret");
  std::copy(bytes.begin(), bytes.end(), bytes_.get() + size_);
  size_ += bytes.size();
}

void Secret::append_base64(std::string_view bytes) {
  WASI_NETD_CHECK(base64_size(bytes.size()) <= capacity_ - size_, "room in a secret");
  auto* out = reinterpret_cast<unsigned char*>(bytes_.get() + size_);
  const auto* in = reinterpret_cast<const unsigned char*>(bytes.data());
  size_ += static_cast<size_t>(EVP_EncodeBlock(out, in, static_cast<int>(bytes.size())));
}

ssize_t Secret::read_from(int fd) {
  ssize_t n = -1;
  do {
    n = ::read(fd, bytes_.get() + size_, capacity_ - size_);
  } while (n < 0 && errno == EINTR);
  if (n > 0) size_ += static_cast<size_t>(n);
  return n;
}

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
