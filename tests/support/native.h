#pragma once
// The peers of the tests: plain kernel sockets, blocking, with none of the project's code in them.
//
// A call that cannot be satisfied ends after kPatience with an error instead of hanging the test. Everything throws
// std::system_error where a test has nothing to decide; read_error() and the like are for what tests look at.
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace wasi_netd::test {

inline constexpr int kPatienceSeconds = 10;

[[noreturn]] inline void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct NativeAddress;

class NativeSocket {
 public:
  NativeSocket() = default;
  explicit NativeSocket(int fd) : fd_(fd) {
    if (fd_ < 0) throw_errno("socket");
    timeval patience = {kPatienceSeconds, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  NativeSocket(NativeSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  NativeSocket& operator=(NativeSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~NativeSocket() { close(); }

  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // TCP: the peer sees a reset.
  void reset() {
    linger abrupt = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
    close();
  }
  void shutdown_write() { check(::shutdown(fd_, SHUT_WR), "shutdown"); }
  void shutdown_read() { check(::shutdown(fd_, SHUT_RD), "shutdown"); }
  void set_option(int level, int name, int value) {
    check(::setsockopt(fd_, level, name, &value, sizeof value), "setsockopt");
  }

  void write_all(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0) throw_errno("send");
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Up to `count` bytes; fewer only at the end.
  std::string read(size_t count) {
    std::string out(count, '\0');
    size_t have = 0;
    while (have < count) {
      ssize_t n = ::recv(fd_, out.data() + have, count - have, 0);
      if (n < 0) throw_errno("recv");
      if (n == 0) break;
      have += static_cast<size_t>(n);
    }
    out.resize(have);
    return out;
  }
  std::string read_to_end() {
    std::string out;
    for (;;) {
      std::string piece = read(64 * 1024);
      if (piece.empty()) return out;
      out += piece;
    }
  }
  // The errno of the next read, 0 when it read something or found the end.
  int read_error() {
    char byte;
    return ::recv(fd_, &byte, 1, 0) < 0 ? errno : 0;
  }
  // One datagram, and who sent it.
  std::string receive(NativeAddress* from = nullptr);
  void send_to(std::string_view datagram, const NativeAddress& to);

  // Until the other side's kernel has all that was sent: a reset takes nothing of it back.
  void wait_until_delivered() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
    for (int unsent = 1; unsent != 0; std::this_thread::yield()) {
      check(::ioctl(fd_, SIOCOUTQ, &unsent), "ioctl");
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("not delivered in time");
    }
  }
  int write_error() { return ::send(fd_, "x", 1, MSG_NOSIGNAL) < 0 ? errno : 0; }
  // Until the peer's buffer and ours are full.
  size_t write_until_full() {
    std::string chunk(64 * 1024, 'x');
    size_t total = 0;
    for (;;) {
      ssize_t n = ::send(fd_, chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return total;
      if (n < 0) throw_errno("send");
      total += static_cast<size_t>(n);
    }
  }
  // Waits for one of `events` (or hang-up, or an error).
  void wait(short events) {
    pollfd entry = {fd_, events, 0};
    if (::poll(&entry, 1, kPatienceSeconds * 1000) != 1) throw_errno("poll");
  }
  NativeSocket accept() { return NativeSocket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)); }

  uint16_t local_port() const { return port(::getsockname); }
  uint16_t peer_port() const { return port(::getpeername); }

 private:
  static void check(int result, const char* what) {
    if (result != 0) throw_errno(what);
  }
  template <class Name>
  uint16_t port(Name name) const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    check(name(fd_, reinterpret_cast<sockaddr*>(&address), &size), "name of a socket");
    if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
    return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  }
  int fd_ = -1;
};

struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
inline std::string NativeSocket::receive(NativeAddress* from) {
  NativeAddress ignored;
  NativeAddress& sender = from ? *from : ignored;
  sender.size = sizeof sender.storage;
  std::string datagram(65'536, '\0');
  ssize_t n =
      ::recvfrom(fd_, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&sender.storage), &sender.size);
  if (n < 0) throw_errno("recvfrom");
  datagram.resize(static_cast<size_t>(n));
  return datagram;
}
inline void NativeSocket::send_to(std::string_view datagram, const NativeAddress& to) {
  if (::sendto(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL, to.get(), to.size) < 0) throw_errno("sendto");
}

// "127.0.0.1" or "::1".
inline NativeAddress native_ip(const std::string& ip, uint16_t port) {
  NativeAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof *v4;
  } else {
    if (::inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) != 1) throw std::invalid_argument(ip);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof *v6;
  }
  return out;
}
// "/path" or "@abstract".
inline NativeAddress native_unix(const std::string& name) {
  NativeAddress out;
  auto* address = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (name.size() >= sizeof address->sun_path) throw std::invalid_argument(name);
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, name.data(), name.size());
  bool abstract = name.starts_with('@');
  if (abstract) address->sun_path[0] = '\0';
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
  return out;
}

inline NativeSocket native_socket(const NativeAddress& kind, int type = SOCK_STREAM) {
  return NativeSocket(::socket(kind.storage.ss_family, type | SOCK_CLOEXEC, 0));
}
inline NativeSocket native_bind(const NativeAddress& address, int type = SOCK_STREAM) {
  NativeSocket socket = native_socket(address, type);
  if (::bind(socket.fd(), address.get(), address.size) != 0) throw_errno("bind");
  return socket;
}
inline NativeSocket native_listen(const NativeAddress& address, int backlog = 128) {
  NativeSocket socket = native_bind(address);
  if (::listen(socket.fd(), backlog) != 0) throw_errno("listen");
  return socket;
}
inline NativeSocket native_connect(const NativeAddress& address) {
  NativeSocket socket = native_socket(address);
  if (::connect(socket.fd(), address.get(), address.size) != 0) throw_errno("connect");
  return socket;
}
// Two sockets that are each other's peers.
inline std::pair<NativeSocket, NativeSocket> native_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
  return {NativeSocket(ends[0]), NativeSocket(ends[1])};
}

// A directory of the test's own, short enough for socket paths, removed with all in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/netd-XXXXXX";
    if (!::mkdtemp(name)) throw_errno("mkdtemp");
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Bytes whose every position can be told from its neighbours, to see losses, repeats and swaps.
inline std::string pattern(size_t size, uint32_t seed = 1) {
  std::string out(size, '\0');
  uint32_t x = seed * 2654435761U + 1;
  for (auto& byte : out) {
    x = x * 1664525U + 1013904223U;
    byte = static_cast<char>(x >> 24);
  }
  return out;
}

}  // namespace wasi_netd::test
