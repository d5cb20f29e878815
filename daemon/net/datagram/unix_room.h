#pragma once
// Waits until a Unix datagram peer has room for more.
//
// A send to a peer whose queue is full answers EAGAIN, and the sender's own socket polls as writable all the same:
// Linux tells of room only to sockets that are connected to that peer. So a second socket is connected to it, which
// never sends, and waited for (docs/decisions/0016-room-of-a-unix-peer.md). One loop's thread.
#include <functional>
#include <memory>

#include "daemon/net/socket.h"
#include "policy/address.h"

namespace wasi_netd::net {

class UnixRoom {
 public:
  // `there_is` runs from the loop, once, unless this has gone before. Null: there is room now, or no way to wait for it
  // because the peer has gone or takes no connection from others; a send tells. Errors: no descriptor, no memory.
  static Result<std::unique_ptr<UnixRoom>> wait(Loop, const policy::UnixEndpoint& peer, std::function<void()> there_is);
  ~UnixRoom();
  UnixRoom(const UnixRoom&) = delete;
  UnixRoom& operator=(const UnixRoom&) = delete;

 private:
  struct State {
    Socket socket;
    std::function<void()> there_is;
  };
  explicit UnixRoom(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static void wait_for_event(std::shared_ptr<State>);

  std::shared_ptr<State> state_;
};

}  // namespace wasi_netd::net
