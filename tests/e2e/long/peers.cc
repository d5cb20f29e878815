#include "tests/e2e/long/peers.h"

namespace wasi_netd::test {

Peer::Peer(Manner manner) : manner_(manner), thread_([this] { accept_all(); }) {}

Peer::~Peer() {
  ::shutdown(listener_.fd(), SHUT_RDWR);  // wakes the accept
  thread_.join();
  for (Served& each : served_) ::shutdown(each.socket.fd(), SHUT_RDWR);
  for (Served& each : served_) each.thread.join();
}

void Peer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0) return;
    std::erase_if(served_, [](Served& each) {
      if (each.over) each.thread.join();
      return each.over.load();
    });
    Served& one = served_.emplace_back();
    one.socket = NativeSocket(fd);
    one.thread = std::thread([this, &one] {
      try {
        serve(one.socket);
      } catch (const std::system_error&) {
        // The other side broke off, as it does in many a round.
      }
      if (manner_ != Manner::kReset) ::shutdown(one.socket.fd(), SHUT_RDWR);
      one.over = true;
    });
  }
}

std::string Peer::take(NativeSocket& socket, size_t most) {
  std::string bytes(most, '\0');
  ssize_t n = 0;
  do {
    n = ::recv(socket.fd(), bytes.data(), bytes.size(), 0);
  } while (n < 0 && (errno == EAGAIN || errno == EINTR));
  if (n < 0) throw_errno("recv");
  bytes.resize(static_cast<size_t>(n));
  taken_ += bytes.size();
  return bytes;
}

void Peer::serve(NativeSocket& socket) {
  constexpr size_t kMost = 64 * 1024, kFew = 100;
  std::string all;
  if (manner_ == Manner::kEndsAtOnce) socket.shutdown_write();
  for (std::string piece; !(piece = take(socket, manner_ == Manner::kReset ? kFew : kMost)).empty();) {
    if (manner_ == Manner::kReset) return socket.reset();
    if (manner_ == Manner::kEcho) all += piece;
  }
  socket.write_all(all);
}

}  // namespace wasi_netd::test
