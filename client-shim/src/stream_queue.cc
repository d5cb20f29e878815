#include "client-shim/src/stream_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace wasi_netd::shim {
namespace {

// Received pieces below this join the one before, so that a peer's single bytes do not each cost an allocation.
constexpr size_t kJoin = 4096;

}  // namespace

void StreamQueue::transition(StreamEvent event) {
  call_ = next(call_, event);
  receive_ = next(receive_, event);
  send_ = next(send_, event);
}

void StreamQueue::drop_received() {
  received_.clear();
  received_datagrams_.clear();
  received_offset_ = 0;
  received_bytes_ = 0;
}

void StreamQueue::drop_unsent() {
  unsent_.clear();
  unsent_bytes_ = 0;
}

void StreamQueue::start() {
  transition(StreamEvent::kStart);
  refusal_ = err::success;
  reading_ = true;
  writing_ = true;
  in_flight_bytes_ = 0;
  broken_ = stop_sent_ = fin_sent_ = narrow_due_ = false;
}

void StreamQueue::opened(Errno error) {
  transition(error == err::success ? StreamEvent::kOpened : StreamEvent::kRefused);
  refusal_ = error;
}

void StreamQueue::received(std::string data) {
  if (datagrams_ || data.empty() || receive_ != ReceiveState::kOpen) return;
  received_bytes_ += data.size();
  if (!received_.empty() && received_.back().size() + data.size() <= kJoin) {
    received_.back() += data;
  } else {
    received_.push_back(std::move(data));
  }
}

void StreamQueue::failed(Errno error) {
  if (receive_ == ReceiveState::kOpen || receive_ == ReceiveState::kStopped) receive_error_ = error;
  if (error == err::notcapable) {
    revoked();
    return;
  }
  transition(StreamEvent::kError);
  drop_unsent();
}

void StreamQueue::write_failed(Errno error) {
  if (send_ == SendState::kOpen || send_ == SendState::kFinished) send_error_ = error;
  transition(StreamEvent::kWriteError);
  drop_unsent();
}

void StreamQueue::revoked() {
  transition(StreamEvent::kRevoked);
  receive_error_ = err::notcapable;
  send_error_ = err::notcapable;
  passing_error_ = err::success;
  drop_received();
  drop_unsent();
}

void StreamQueue::ended(Errno error) {
  reading_ = false;
  writing_ = false;
  in_flight_bytes_ = 0;
  if (call_ == CallState::kRefused) return;
  if (receive_ == ReceiveState::kOpen) receive_error_ = error;
  transition(StreamEvent::kEnded);
  drop_unsent();
}

void StreamQueue::frame_written(bool ok) {
  writing_ = false;
  in_flight_bytes_ = 0;
  if (ok) return;
  // The call is over; why, stands in what the daemon sent last, and while `opened` is awaited that may be a refusal.
  broken_ = true;
  if (call_ == CallState::kOpen) transition(StreamEvent::kWriteError);
  drop_unsent();
}

bool StreamQueue::take_read() {
  if (reading_ || call_ == CallState::kIdle || call_ == CallState::kEnded) return false;
  if (receive_ == ReceiveState::kOpen && received_bytes_ >= kChunk) return false;
  reading_ = true;
  return true;
}

StreamQueue::Frame StreamQueue::take_frame(std::string& data) {
  if (writing_ || call_ != CallState::kOpen || broken_) return Frame::kNone;
  Frame frame = Frame::kNone;
  if (!unsent_.empty() && datagrams_) {
    frame = Frame::kDatagrams;
    fill_datagram_frame();
  } else if (!unsent_.empty()) {
    frame = Frame::kData;
    data = std::move(unsent_.front());
    unsent_.pop_front();
    unsent_bytes_ -= data.size();
    in_flight_bytes_ = data.size();
  } else if (narrow_due_) {
    frame = Frame::kNarrow;
    narrow_due_ = false;
  } else if (receive_ == ReceiveState::kStopped && !stop_sent_) {
    frame = Frame::kStopReading;
    stop_sent_ = true;
  } else if (send_ == SendState::kFinished && !fin_sent_) {
    frame = Frame::kFin;
    fin_sent_ = true;
  } else if (send_ == SendState::kClosed && !close_sent_) {
    frame = Frame::kClose;
    close_sent_ = true;
  }
  writing_ = frame != Frame::kNone;
  return frame;
}

Errno StreamQueue::read(std::span<const wasi_netd_iovec> buffers, bool peek, size_t& count) {
  count = 0;
  if (received_bytes_ == 0) {
    if (receive_ == ReceiveState::kFailed) return receive_error_;
    if (receive_ != ReceiveState::kOpen) return err::success;
    return err::again;
  }
  size_t piece = 0;
  size_t offset = received_offset_;
  for (const wasi_netd_iovec& buffer : buffers) {
    size_t filled = 0;
    while (filled < buffer.size && piece < received_.size()) {
      const std::string& from = received_[piece];
      const size_t n = std::min(buffer.size - filled, from.size() - offset);
      std::memcpy(static_cast<char*>(buffer.data) + filled, from.data() + offset, n);
      filled += n;
      offset += n;
      if (offset == from.size()) {
        ++piece;
        offset = 0;
      }
    }
    count += filled;
  }
  if (!peek) {
    received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(piece));
    received_offset_ = offset;
    received_bytes_ -= count;
  }
  return err::success;
}

Errno StreamQueue::write(std::string_view data, size_t& count) {
  count = 0;
  if (send_ == SendState::kFailed) return send_error_;
  if (send_ != SendState::kOpen) return err::pipe;
  if (data.empty()) return err::success;
  if (call_ != CallState::kOpen) return err::again;
  data = data.substr(0, room());
  if (data.empty()) return err::again;
  count = data.size();
  unsent_bytes_ += count;
  while (!data.empty()) {
    if (unsent_.empty() || unsent_.back().size() == kChunk) unsent_.emplace_back();
    std::string& last = unsent_.back();
    const size_t n = std::min(kChunk - last.size(), data.size());
    last.append(data.substr(0, n));
    data.remove_prefix(n);
  }
  return err::success;
}

Errno StreamQueue::finish() {
  if (send_ == SendState::kFailed) return send_error_ == err::notcapable ? err::notcapable : err::notconn;
  transition(StreamEvent::kFinish);
  return err::success;
}

bool StreamQueue::narrow(Rights rights) {
  if (call_ != CallState::kOpen || broken_) return false;
  narrowed_to_ = rights;
  narrow_due_ = true;
  return true;
}

bool StreamQueue::close() {
  const bool live = (call_ == CallState::kOpening || call_ == CallState::kOpen) && !broken_;
  transition(StreamEvent::kClose);
  drop_received();
  return live;
}

StreamQueue::Polled StreamQueue::poll_read() const {
  if (passing_error_ != err::success) return {true, 0, false};
  if (!received_datagrams_.empty()) return {true, received_datagrams_.front().bytes.size(), false};
  if (received_bytes_ > 0) return {true, received_bytes_, false};
  if (receive_ != ReceiveState::kOpen) return {true, 0, true};
  return {refused(), 0, false};
}

StreamQueue::Polled StreamQueue::poll_write() const {
  if (send_ == SendState::kFailed) return {true, 0, true};
  if (send_ != SendState::kOpen || refused() || passing_error_ != err::success) return {true, 0, false};
  const size_t largest = datagrams_ ? kMaxDatagram + kDatagramOverhead : kChunk;
  return {call_ == CallState::kOpen && room() >= largest, room(), false};
}

}  // namespace wasi_netd::shim
