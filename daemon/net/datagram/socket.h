#pragma once
// A datagram socket on its loop: sends at once, and reads in the background into its owner.
//
// Held by its owners, and by its own wait for the next datagram; the owner that it reads into closes it or takes itself
// off (read_into) before it goes. Reading takes a bounded number of datagrams per turn of the loop, so that a busy
// socket does not keep the others waiting. One loop's thread.
#include <memory>
#include <span>

#include "daemon/base/event.h"
#include "daemon/net/datagram.h"
#include "daemon/net/datagram/batch.h"
#include "daemon/net/socket.h"
#include "daemon/net/unique_fd.h"

namespace wasi_netd::net {

// Non-blocking, close-on-exec; IPv6 is v6-only. `inval` for a NameEndpoint.
Result<UniqueFd> open_datagram_socket(const Endpoint& what_for);

// Any number of coroutines that wait for the same thing. Each tests its condition before and after every wait. Outlives
// them.
class Waiters {
 public:
  explicit Waiters(const Loop& loop) : never_(loop, Timer::time_point::max()) {}
  auto wait() { return never_.async_wait(kTuple); }
  void wake_all() { never_.cancel(); }

 private:
  Timer never_;
};

class DatagramSocket : public std::enable_shared_from_this<DatagramSocket> {
 public:
  // Neither calls the socket, nor ends it.
  class Reader {
   public:
    virtual void arrived(const Arrival&) = 0;
    // `peer`: whom it concerns, where that is known (tell_peers). A connected socket's own error: null.
    virtual void failed(const SocketAddress* peer, int error) = 0;

   protected:
    ~Reader() = default;
  };

  static Result<std::shared_ptr<DatagramSocket>> make(Loop, UniqueFd);
  ~DatagramSocket() { close(); }

  int fd() const { return socket_.native_handle(); }
  Loop loop() const { return loop_; }
  // Of an unconnected UDP socket: errors say whom they concern (IP_RECVERR), and none of them fails another's send.
  Status tell_peers(bool on);
  void allow_broadcast(bool on);

  // From now on what comes in goes to `reader`; null: to nobody. It is read only between start() and stop().
  void read_into(Reader* reader) { reader_ = reader; }
  void start();
  void stop() { reading_ = false; }
  // What is there now, without waiting for the loop: a batch of it, or all (of what fits into a large buffer).
  void read_now();
  void read_rest();

  // `sent` 0 and EAGAIN: no room, full() until there is, when `writable` wakes.
  SendOutcome send(std::span<const Outgoing>);
  bool full() const { return full_; }
  Waiters& writable() { return writable_; }

  // noprotoopt: all but the sizes of the buffers.
  Status set_option(Option, uint32_t value);
  Result<uint32_t> get_option(Option) const;

  bool closed() const { return closed_; }
  void close();

 private:
  DatagramSocket(Loop loop, Socket socket) : loop_(loop), socket_(std::move(socket)), writable_(loop) {}
  void wait_for_datagrams();
  void wait_for_room();
  enum class Found { kNothing, kSome, kMore };
  Found read_batch();
  // False: there was none.
  bool take_errors();

  const Loop loop_;
  mutable Socket socket_;  // asio's native_handle() is not const
  Reader* reader_ = nullptr;
  bool reading_ = false;
  bool waiting_ = false;  // for datagrams
  bool tells_peers_ = false;
  bool full_ = false;
  bool closed_ = false;
  Waiters writable_;
};

}  // namespace wasi_netd::net
