#pragma once
// The tenant's Unix socket: accepts Wasm hosts, asks the kernel who they are, and hands those the policy admits to the
// tenant's gRPC server.
//
// Socket mode is 0666: not the file but SO_PEERCRED decides (a daemon that is not root cannot chown). gRPC never has an
// admitted host's socket but one end of a HostRelay, so a host is cut off by ending its relay. The hosts' sockets hang
// in an epoll set of their own that reports hang-ups only: a relay that has stopped reading would not see them.
// The tenant's loop.
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <sys/socket.h>

#include "daemon/base/error.h"
#include "daemon/base/event.h"
#include "daemon/base/quota.h"
#include "daemon/broker/tenant.h"
#include "daemon/rpc/host_relay.h"

namespace wasi_netd::rpc {

using net::Task;

class HostListener : public std::enable_shared_from_this<HostListener> {
 public:
  // Takes the descriptor that is gRPC's for an admitted host.
  using Admit = std::function<void(int fd)>;

  // Binds `path`, replacing a socket that nobody listens on any more. addrinuse: somebody does.
  static Result<std::shared_ptr<HostListener>> open(broker::Tenant&, const std::string& path, Admit);
  ~HostListener();

  // Spawns the flows that accept and that watch for hang-ups.
  void start();
  // No new hosts; the socket file is removed.
  void close();
  // Lets every host go once it has what gRPC wrote, and stops watching. Who has not taken it by then is cut off.
  void finish_all(std::chrono::system_clock::time_point deadline);
  // Cuts every host off and stops watching. Idempotent.
  void cut_all();
  size_t host_count() const { return hosts_.size(); }

 private:
  using Socket = HostRelay::Socket;
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::local::stream_protocol, net::Loop>;
  using Descriptor = boost::asio::posix::basic_stream_descriptor<net::Loop>;

  HostListener(broker::Tenant&, std::string path, Admit);
  static Task<void> run_accept(std::shared_ptr<HostListener> self);
  static Task<void> run_watch(std::shared_ptr<HostListener> self);
  void stop_watching();
  void admit(Socket socket);
  void refuse(const ucred& peer);
  void tell_refused();
  void tell_cut(const char* violation);
  void reap();

  broker::Tenant& tenant_;
  const std::string path_;
  Admit admit_;
  Acceptor acceptor_;
  Descriptor hangups_;                                              // the epoll set
  std::unordered_map<uint64_t, std::shared_ptr<HostRelay>> hosts_;  // until gRPC has let go of them
  uint64_t next_host_ = 0;
  Timer quiet_end_;
  Timer patience_;        // of finish_all()
  bool quiet_ = false;    // until quiet_end_ no record of a refusal
  uint64_t refused_ = 0;  // without a record so far
  ucred last_refused_{};
  std::chrono::steady_clock::time_point next_cut_told_{};
  uint64_t cuts_left_out_ = 0;
  uint64_t device_ = 0, inode_ = 0;  // of the socket file, so that close() removes no other
};

}  // namespace wasi_netd::rpc
