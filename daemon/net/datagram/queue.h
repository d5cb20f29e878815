#pragma once
// Datagrams that came in and were not read yet, within a bound. One loop's thread.
//
// The bound is in bytes, each datagram counted with what it takes in memory, an empty one too. Where the next does not
// fit, the oldest make room for it: who reads late wants what is new. Each is charged on a quota as well; its having no
// room is as a full queue, but what a queue cannot win by giving up its own it does not give up.
#include <cstdint>
#include <deque>
#include <string_view>

#include "daemon/base/quota.h"
#include "daemon/net/datagram.h"

namespace wasi_netd::net {

class DatagramQueue {
 public:
  // `buffers` may be null: nothing is charged.
  DatagramQueue(uint64_t limit, Quota* buffers) : limit_(limit), buffers_(buffers) {}

  // Copies it in. False: it was dropped itself. Either way what was dropped is counted.
  bool push(std::string_view data, const Endpoint& peer, bool truncated);
  // Of a queue that is not empty.
  Datagram pop();

  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }
  size_t next_size() const { return waiting_.empty() ? 0 : waiting_.front().datagram.data.size(); }
  uint64_t bytes() const { return bytes_; }
  uint64_t dropped() const { return dropped_; }
  void clear();
  // From here on another bound and quota. What waits is charged anew, the oldest first; what finds no room is dropped.
  void move_to(uint64_t limit, Quota* buffers);

  // What one datagram takes in memory.
  static uint64_t cost(size_t data, const Endpoint& peer);

 private:
  struct Waiting {
    Datagram datagram;
    uint64_t cost;
    Charge charge;
  };
  bool make_room(uint64_t needed, Charge& out);
  void drop_oldest();
  bool charge(uint64_t cost, Charge& out) const;

  uint64_t limit_;
  Quota* buffers_;
  std::deque<Waiting> waiting_;
  uint64_t bytes_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace wasi_netd::net
