// TlsContext: which generation is current. And the key log.
#include <atomic>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include "daemon/net/tls/generation.h"
#include "daemon/net/tls/tls.h"
#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {
namespace {

constexpr std::chrono::hours kTicketKeyLife{12};

class Context final : public TlsContext {
 public:
  Context(Loop loop, policy::Tls policy) : loop_(std::move(loop)), policy_(std::move(policy)) {}

  Status start() {
    session_context_.resize(SSL_MAX_SID_CTX_LENGTH);
    auto* bytes = reinterpret_cast<unsigned char*>(session_context_.data());
    if (RAND_bytes(bytes, static_cast<int>(session_context_.size())) != 1) {
      return Error{Errno::io, "no random bytes: " + take_openssl_error()};
    }
    auto loaded = TlsGeneration::load(policy_, files_, session_context_);
    if (!loaded) return loaded.error();
    current_ = std::move(*loaded);
    return Status();
  }

  Loop loop() const override { return loop_; }
  const policy::Tls& policy() const override { return policy_; }

  std::shared_ptr<const TlsGeneration> current() override {
    if (files_.changed()) reload();
    const auto now = std::chrono::steady_clock::now();
    if (now - ticket_key_made_ > kTicketKeyLife) {
      current_->renew_ticket_key();
      ticket_key_made_ = now;
    }
    return current_;
  }

 private:
  void reload() {
    WatchedFiles files;
    auto loaded = TlsGeneration::load(policy_, files, session_context_);
    files_ = std::move(files);
    if (!loaded) {
      // A file that was written just now is read again by the next handshake: the same complaint is made once.
      if (loaded.error().detail != complaint_) spdlog::warn("TLS files not reloaded: {}", loaded.error().detail);
      complaint_ = loaded.error().detail;
      return;
    }
    complaint_.clear();
    // A ticket holds a client's certificate as it was verified then. What has come since must be asked: the new
    // generation has a key of its own.
    const bool same_clients = (*loaded)->trust == current_->trust;
    if (same_clients) {
      (*loaded)->take_ticket_key_of(*current_);
    } else {
      ticket_key_made_ = std::chrono::steady_clock::now();
    }
    current_ = std::move(*loaded);
  }

  const Loop loop_;
  const policy::Tls policy_;
  std::string session_context_;
  WatchedFiles files_;  // as of the last attempt to read them
  std::string complaint_;
  std::shared_ptr<TlsGeneration> current_;
  std::chrono::steady_clock::time_point ticket_key_made_ = std::chrono::steady_clock::now();
};

std::atomic<int> key_log_fd{-1};

// One write per line: lines of several threads do not mix.
void write_key_line(const SSL*, const char* line) {
  std::string text = std::string(line) + "\n";
  if (::write(key_log_fd.load(), text.data(), text.size()) < 0) spdlog::warn("the TLS key log cannot be written");
  OPENSSL_cleanse(text.data(), text.size());
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::load(Loop loop, policy::Tls policy) {
  auto context = std::make_shared<Context>(std::move(loop), std::move(policy));
  if (auto started = context->start(); !started) return started.error();
  return std::shared_ptr<TlsContext>(std::move(context));
}

Status tls_log_keys(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return system_error(errno, path);
  spdlog::warn("the secrets of TLS connections are written to {}", path);
  // Never closed: a connection of another thread may be about to write. A second call leaks the first file.
  key_log_fd.store(file.release());
  return Status();
}

void apply_key_log(SSL_CTX* ssl) {
  if (key_log_fd.load() >= 0) SSL_CTX_set_keylog_callback(ssl, write_key_line);
}

}  // namespace wasi_netd::net
