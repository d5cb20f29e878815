// The part of StreamQueue that is about datagrams.
#include <algorithm>
#include <cstring>

#include "client-shim/src/stream_queue.h"

namespace wasi_netd::shim {

void StreamQueue::received_datagrams(std::vector<std::string> datagrams, bool truncated) {
  if (!datagrams_ || receive_ != ReceiveState::kOpen) return;
  for (std::string& datagram : datagrams) {
    received_bytes_ += datagram.size() + kDatagramOverhead;
    received_datagrams_.push_back({std::move(datagram), false});
  }
  if (!datagrams.empty()) received_datagrams_.back().truncated = truncated;
}

void StreamQueue::passing_error(Errno error) {
  // It comes by another way than the daemon's answer to `open` and may be faster.
  const bool live = call_ == CallState::kOpening || call_ == CallState::kOpen;
  if (datagrams_ && live && receive_ != ReceiveState::kClosed) passing_error_ = error;
}

Errno StreamQueue::read_datagram(std::span<const wasi_netd_iovec> buffers, bool peek, size_t& count, bool& truncated) {
  count = 0;
  truncated = false;
  if (passing_error_ != err::success) return std::exchange(passing_error_, err::success);
  if (received_datagrams_.empty()) {
    if (receive_ == ReceiveState::kFailed) return receive_error_;
    return receive_ == ReceiveState::kOpen ? err::again : err::success;
  }
  const Datagram& first = received_datagrams_.front();
  for (const wasi_netd_iovec& buffer : buffers) {
    const size_t n = std::min(buffer.size, first.bytes.size() - count);
    if (n != 0) std::memcpy(buffer.data, first.bytes.data() + count, n);
    count += n;
  }
  truncated = first.truncated || count < first.bytes.size();
  if (peek) return err::success;
  received_bytes_ -= first.bytes.size() + kDatagramOverhead;
  received_datagrams_.pop_front();
  return err::success;
}

Errno StreamQueue::write_datagram(std::span<const wasi_netd_ciovec> buffers, size_t& count) {
  count = 0;
  size_t size = 0;
  for (const wasi_netd_ciovec& buffer : buffers) {
    if (buffer.size > kMaxDatagram - size) return err::msgsize;
    size += buffer.size;
  }
  if (passing_error_ != err::success) return std::exchange(passing_error_, err::success);
  if (send_ == SendState::kFailed) return send_error_;
  if (send_ != SendState::kOpen) return err::pipe;
  if (call_ != CallState::kOpen || room() < size + kDatagramOverhead) return err::again;
  std::string& datagram = unsent_.emplace_back();
  datagram.reserve(size);
  for (const wasi_netd_ciovec& buffer : buffers) datagram.append(static_cast<const char*>(buffer.data), buffer.size);
  unsent_bytes_ += size + kDatagramOverhead;
  count = size;
  return err::success;
}

// As many as one frame takes, at least one.
void StreamQueue::fill_datagram_frame() {
  frame_datagrams_.clear();
  size_t bytes = 0;
  while (!unsent_.empty() && frame_datagrams_.size() < kMaxDatagrams && bytes + unsent_.front().size() <= kChunk) {
    bytes += unsent_.front().size();
    frame_datagrams_.push_back(std::move(unsent_.front()));
    unsent_.pop_front();
  }
  in_flight_bytes_ = bytes + frame_datagrams_.size() * kDatagramOverhead;
  unsent_bytes_ -= in_flight_bytes_;
}

}  // namespace wasi_netd::shim
