#pragma once
// One channel of c-ares on a loop. c-ares owns its sockets and says which of them it waits for; this waits for them on
// the loop and calls it back. Held by shared_ptr; one loop's thread.
//
// c-ares answers a query inside one of our own calls to it, never by itself: `done` runs within find(), within the
// destructor, or from the loop, and must not come back here.
#include <ares.h>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "daemon/base/event.h"
#include "daemon/net/net.h"

namespace wasi_netd::net {

class AresChannel : public std::enable_shared_from_this<AresChannel> {
 public:
  enum class Source : uint8_t { kDns, kHostsFile };
  // `servers` of the options are asked, or those of its `resolv_conf`.
  static Result<std::shared_ptr<AresChannel>> make(Loop, Source, const ResolverOptions&);
  // Every query still under way is answered with ARES_EDESTRUCTION.
  ~AresChannel();
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  // Asks for the addresses of the name, as it is: no search domains. AF_UNSPEC waits for both families. The hosts file
  // has answered when this returns. What `done` is given is gone when it returns; null where there is nothing.
  using Done = std::function<void(int status, const ares_addrinfo*)>;
  void find(const std::string& name, int family, Done done);

 private:
  // A socket of c-ares, seen by the loop.
  struct Watch {
    explicit Watch(Loop loop) : descriptor(loop) {}
    asio::posix::basic_stream_descriptor<Loop> descriptor;
    struct Direction {
      bool wanted = false;
      bool waiting = false;
    };
    Direction read, write;
  };

  explicit AresChannel(Loop loop) : loop_(loop), tick_(loop) {}
  Status open(Source, const ResolverOptions&);
  Status set_servers(const std::vector<policy::IpEndpoint>&);
  void want(ares_socket_t, bool read, bool write);
  void wait(ares_socket_t, const std::shared_ptr<Watch>&, Watch::Direction Watch::*);
  void process(ares_socket_t read, ares_socket_t write);
  void schedule();

  const Loop loop_;
  ares_channel channel_ = nullptr;
  std::unordered_map<ares_socket_t, std::shared_ptr<Watch>> watches_;
  Timer tick_;  // c-ares's next retry or give-up
};

}  // namespace wasi_netd::net
