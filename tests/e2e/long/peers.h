#pragma once
// The native side of the soak: a server for each way in which a peer can treat a connection.
//
// Each serves any number of connections at once, on threads of its own. The destructor cuts off what is left and joins.
#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "tests/support/native.h"

namespace wasi_netd::test {

class Peer {
 public:
  enum class Manner {
    kEcho,         // takes everything to the end, then gives it back and closes
    kReset,        // takes a few bytes, then resets
    kEndsAtOnce,   // ends its half before it takes anything
    kTakesForEver  // takes whatever comes
  };
  explicit Peer(Manner);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  uint64_t bytes_taken() const { return taken_; }  // by all its connections

 private:
  void accept_all();
  void serve(NativeSocket& socket);
  std::string take(NativeSocket& socket, size_t most);

  const Manner manner_;
  NativeSocket listener_ = native_listen(native_ip("127.0.0.1", 0));
  const uint16_t port_ = listener_.local_port();
  std::atomic<uint64_t> taken_ = 0;
  std::mutex mutex_;
  struct Served {
    NativeSocket socket;
    std::thread thread;
    std::atomic<bool> over = false;
  };
  std::list<Served> served_;
  std::thread thread_;
};

}  // namespace wasi_netd::test
