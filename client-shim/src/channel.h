#pragma once
// One tenant's connection to the daemon, shared by its guests.
//
// The shim connects the Unix socket itself and hands gRPC the descriptor. So an absent daemon is known at once and by
// the kernel's word, a new daemon is found by the next connect instead of by gRPC's back-off, and a broken connection
// fails every call on it at once: it never comes back to life by itself.
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "client-shim/src/errors.h"
#include "client-shim/src/waker.h"
#include "wasi_netd/v1/broker.grpc.pb.h"

namespace wasi_netd::shim {

// One connection. Thread-safe. Must not be released last by a gRPC thread: its end waits for those.
struct Channel {
  explicit Channel(const std::shared_ptr<grpc::ChannelInterface>& connection) : stub(connection) {}

  v1::Broker::Stub stub;
  std::atomic<bool> proven{false};  // a session was opened through it: the daemon admits this process
};

// Thread-safe.
class Tenant {
 public:
  // `inval` when no Unix socket can have this path.
  static Errno open(std::string_view socket_path, std::shared_ptr<Tenant>& out);

  // The connection in use, or a new one. connrefused: nobody listens; acces: the socket's permissions; intr: the guest
  // was interrupted; or the process's limits. Takes at most two seconds, when the daemon's backlog is full.
  Errno connect(const Waker& guest, std::shared_ptr<Channel>& out);
  // `broken` is not handed out again.
  void forget(const std::shared_ptr<Channel>& broken);

  // Interrupts the guests that are opening, and for ever those that come.
  void interrupt();
  // While it lives, the guest of `waker` is opening.
  class Opening {
   public:
    Opening(Tenant& tenant, Waker& waker);
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;
    ~Opening();

   private:
    Tenant& tenant_;
    Waker& waker_;
  };

 private:
  explicit Tenant(std::string_view socket_path) : path_(socket_path) {}

  const std::string path_;
  std::mutex mutex_;  // guards channel_; held while connecting, so that many guests make one connection
  std::shared_ptr<Channel> channel_;

  std::mutex opening_mutex_;  // guards the two below
  std::set<Waker*> opening_;
  bool interrupted_ = false;
};

}  // namespace wasi_netd::shim
