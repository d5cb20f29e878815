#pragma once
// Peers that a datagram control remembers for a while: whom it sent to, so that their answers come in, or who was
// recorded, so that each of them is recorded once.
//
// Pure but for the charges that its entries hold: the caller says what time it is. At most `most`: the oldest go.
#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/base/quota.h"

namespace wasi_netd::broker {

class Peers {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kRemembered{120};
  // What an entry takes in memory, texts included; charged to `buffers`.
  static constexpr uint64_t kEntry = 512;

  Peers(size_t most, Quota& buffers) : most_(most), buffers_(buffers) {}

  // From now on `peer` is known, under `note`, for kRemembered. kNew: it was not, or not under this note. kFull:
  // `buffers` has no room for it, and there is no older peer to give its place up.
  enum class Added : uint8_t { kNew, kKnown, kFull };
  Added add(const std::string& peer, const std::string& note, Time now);
  bool knows(const std::string& peer, Time now) const;
  size_t size() const { return peers_.size(); }

 private:
  struct Peer {
    std::string note;
    Time since;
    Charge charge;
    std::list<std::string>::iterator place;
  };
  void forget_oldest();

  const size_t most_;
  Quota& buffers_;
  std::list<std::string> oldest_first_;
  std::unordered_map<std::string, Peer> peers_;
};

// How many records of datagrams that came in are written: kBurst at once, then one a second. Anybody can send, from any
// address, as fast as the network carries it.
class RecordRate {
 public:
  static constexpr uint64_t kBurst = 16;

  // nullopt: not now. Else the number of those that were not written since the last.
  std::optional<uint64_t> take(Peers::Time now);
  uint64_t left_out() const { return left_out_; }

 private:
  uint64_t tokens_ = kBurst;
  Peers::Time refilled_{};
  uint64_t left_out_ = 0;
};

}  // namespace wasi_netd::broker
