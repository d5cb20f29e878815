#pragma once
// Stands in front of a name server: notes every query, over UDP and over TCP, hands it on and the answer back, and can
// leave some without one. A thread of its own; the server may be none (port 0), and then nothing is answered.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/native.h"

namespace wasi_netd::test {

class DnsRelay {
 public:
  explicit DnsRelay(uint16_t server, uint16_t port = 0) : server_(native_ip("127.0.0.1", server)), has_server_(server) {
    while (!bind(port)) {
    }
    thread_ = std::thread([this] { work(); });
  }
  DnsRelay(const DnsRelay&) = delete;
  DnsRelay& operator=(const DnsRelay&) = delete;
  ~DnsRelay() {
    stop_.close();
    thread_.join();
  }

  uint16_t port() const { return udp_.local_port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }

  // "A one.test" or, over TCP, "A one.test tcp", in the order they came, since the last call; all that were sent before
  // this one.
  std::vector<std::string> take_queries() {
    // What was sent before arrives before.
    const NativeAddress here = native_ip("127.0.0.1", port());
    const NativeSocket socket = native_socket(here, SOCK_DGRAM);
    ::sendto(socket.fd(), kMark.data(), kMark.size(), 0, here.get(), here.size);
    std::unique_lock lock(mutex_);
    marked_.wait_for(lock, std::chrono::seconds(kPatienceSeconds), [this] { return mark_came_; });
    mark_came_ = false;
    return std::exchange(queries_, {});
  }
  // The same, sorted: A and AAAA are asked side by side.
  std::vector<std::string> take_sorted() {
    auto queries = take_queries();
    std::ranges::sort(queries);
    return queries;
  }
  // No answer to this question from now on.
  void ignore(const std::string& question) {
    const std::lock_guard lock(mutex_);
    ignored_.insert(question);
  }

 private:
  static constexpr size_t kLargest = 65535;
  static constexpr std::string_view kMark = "mark";

  // False: the number that UDP got is taken for TCP.
  bool bind(uint16_t port) {
    udp_ = native_bind(native_ip("127.0.0.1", port), SOCK_DGRAM);
    try {
      tcp_ = native_listen(native_ip("127.0.0.1", udp_.local_port()));
    } catch (const std::system_error&) {
      if (port != 0) throw;
      return false;
    }
    return true;
  }

  void work() {
    std::vector<NativeSocket> peers;
    for (;;) {
      std::vector<pollfd> entries = {{stopped_.fd(), POLLIN, 0}, {udp_.fd(), POLLIN, 0}, {tcp_.fd(), POLLIN, 0}};
      for (const auto& peer : peers) entries.push_back({peer.fd(), POLLIN, 0});
      if (::poll(entries.data(), entries.size(), -1) < 0) continue;
      if (entries[0].revents != 0) return;
      try {
        if (entries[1].revents != 0) over_udp();
        // From the back: those behind one that has ended move up.
        for (size_t i = peers.size(); i-- > 0;) {
          if (entries[i + 3].revents != 0 && !over_tcp(peers[i])) peers.erase(peers.begin() + static_cast<long>(i));
        }
        if (entries[2].revents != 0) peers.push_back(tcp_.accept());
      } catch (const std::system_error&) {
        // Either side may leave when it likes.
      }
    }
  }
  void over_udp() {
    std::string query(kLargest, '\0');
    sockaddr_storage from{};
    socklen_t from_size = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t size = ::recvfrom(udp_.fd(), query.data(), query.size(), 0, address, &from_size);
    query.resize(size > 0 ? static_cast<size_t>(size) : 0);
    if (!note(query, "")) return;
    const NativeSocket to = native_socket(server_, SOCK_DGRAM);
    if (::connect(to.fd(), server_.get(), server_.size) != 0) throw_errno("connect");
    ::send(to.fd(), query.data(), query.size(), 0);
    std::string answer(kLargest, '\0');
    const ssize_t got = ::recv(to.fd(), answer.data(), answer.size(), 0);
    if (got > 0) ::sendto(udp_.fd(), answer.data(), static_cast<size_t>(got), 0, address, from_size);
  }
  bool over_tcp(NativeSocket& peer) {
    const std::string query = read_message(peer);
    if (query.empty()) return false;
    if (!note(query.substr(2), " tcp")) return true;
    NativeSocket to = native_connect(server_);
    to.write_all(query);
    peer.write_all(read_message(to));
    return true;
  }
  // With its length in front; empty at the end.
  static std::string read_message(NativeSocket& socket) {
    const std::string length = socket.read(2);
    if (length.size() < 2) return {};
    const auto size =
        static_cast<size_t>(static_cast<unsigned char>(length[0]) << 8 | static_cast<unsigned char>(length[1]));
    return length + socket.read(size);
  }
  // Whether it is to be answered.
  bool note(const std::string& query, const std::string& how) {
    if (query == kMark) {
      const std::lock_guard lock(mutex_);
      mark_came_ = true;
      marked_.notify_one();
      return false;
    }
    constexpr size_t kHeader = 12;
    std::string name;
    size_t at = kHeader;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<unsigned char>(query[at]);
      name += (name.empty() ? "" : ".") + query.substr(at + 1, length);
      at += length + 1U;
    }
    const int type = at + 2 < query.size() ? static_cast<unsigned char>(query[at + 2]) : 0;
    const std::string question = (type == 1 ? "A " : type == 28 ? "AAAA " : "? ") + name;
    const std::lock_guard lock(mutex_);
    queries_.push_back(question + how);
    return has_server_ && !ignored_.contains(question);
  }

  const NativeAddress server_;
  const bool has_server_;
  NativeSocket udp_, tcp_;
  std::pair<NativeSocket, NativeSocket> ends_ = native_pair();
  NativeSocket& stop_ = ends_.first;
  NativeSocket& stopped_ = ends_.second;
  std::mutex mutex_;
  std::condition_variable marked_;
  bool mark_came_ = false;
  std::vector<std::string> queries_;
  std::set<std::string> ignored_;
  std::thread thread_;
};

}  // namespace wasi_netd::test
