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
  x_call = next(x_call, event);
  x_receive = next(x_receive, event);
  x_send = next(x_send, event);
}

void StreamQueue::drop_received() {
  x_received.clear();
  x_received_offset = 0;
  x_received_bytes = 0;
}

void StreamQueue::drop_unsent() {
  x_unsent.clear();
  x_unsent_bytes = 0;
}

void StreamQueue::start() {
  transition(StreamEvent::kStart);
  x_refusal = err::success;
  x_reading = true;
  x_writing = true;
  x_in_flight_bytes = 0;
  x_broken = x_stop_sent = x_fin_sent = false;
}

void StreamQueue::opened(Errno error) {
  if (error == err::success) {
    transition(StreamEvent::kOpened);
    return;
  }
  transition(StreamEvent::kRefused);
  x_refusal = error;
  drop_unsent();
}

void StreamQueue::received(std::string data) {
  if (data.empty() || x_receive != ReceiveState::kOpen) return;
  x_received_bytes += data.size();
  if (!x_received.empty() && x_received.back().size() + data.size() <= kJoin) {
    x_received.back() += data;
  } else {
    x_received.push_back(std::move(data));
  }
}

void StreamQueue::failed(Errno error) {
  if (x_receive == ReceiveState::kOpen || x_receive == ReceiveState::kStopped) x_receive_error = error;
  if (error == err::notcapable) {
    revoked();
    return;
  }
  transition(StreamEvent::kError);
  drop_unsent();
}

void StreamQueue::write_failed(Errno error) {
  if (x_send == SendState::kOpen || x_send == SendState::kFinished) x_send_error = error;
  transition(StreamEvent::kWriteError);
  drop_unsent();
}

void StreamQueue::revoked() {
  transition(StreamEvent::kRevoked);
  x_receive_error = err::notcapable;
  x_send_error = err::notcapable;
  drop_received();
  drop_unsent();
}

void StreamQueue::ended(Errno error) {
  x_reading = false;
  x_writing = false;
  x_in_flight_bytes = 0;
  if (x_call == CallState::kRefused) return;
  if (x_receive == ReceiveState::kOpen) x_receive_error = error;
  transition(StreamEvent::kEnded);
  drop_unsent();
}

void StreamQueue::frame_written(bool ok) {
  x_writing = false;
  x_in_flight_bytes = 0;
  if (ok) return;
  // The call is over; why, stands in what the daemon sent last, and while `opened` is awaited that may be a refusal.
  x_broken = true;
  if (x_call == CallState::kOpen) transition(StreamEvent::kWriteError);
  drop_unsent();
}

bool StreamQueue::take_read() {
  if (x_reading || x_call == CallState::kIdle || x_call == CallState::kEnded) return false;
  if (x_receive == ReceiveState::kOpen && x_received_bytes >= kChunk) return false;
  x_reading = true;
  return true;
}

StreamQueue::Frame StreamQueue::take_frame(std::string& data) {
  const bool live = x_call == CallState::kOpening || x_call == CallState::kOpen;
  if (x_writing || !live || x_broken) return Frame::kNone;
  Frame frame = Frame::kNone;
  if (!x_unsent.empty()) {
    frame = Frame::kData;
    data = std::move(x_unsent.front());
    x_unsent.pop_front();
    x_unsent_bytes -= data.size();
    x_in_flight_bytes = data.size();
  } else if (x_receive == ReceiveState::kStopped && !x_stop_sent) {
    frame = Frame::kStopReading;
    x_stop_sent = true;
  } else if (x_send == SendState::kFinished && !x_fin_sent) {
    frame = Frame::kFin;
    x_fin_sent = true;
  } else if (x_send == SendState::kClosed && !x_close_sent) {
    frame = Frame::kClose;
    x_close_sent = true;
  }
  x_writing = frame != Frame::kNone;
  return frame;
}

Errno StreamQueue::read(std::span<const wasi_netd_iovec> buffers, bool peek, size_t& count) {
  count = 0;
  if (x_received_bytes == 0) {
    if (x_receive == ReceiveState::kFailed) return x_receive_error;
    if (x_receive != ReceiveState::kOpen) return err::success;
    return err::again;
  }
  size_t piece = 0;
  size_t offset = x_received_offset;
  for (const wasi_netd_iovec& buffer : buffers) {
    size_t filled = 0;
    while (filled < buffer.size && piece < x_received.size()) {
      const std::string& from = x_received[piece];
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
    x_received.erase(x_received.begin(), x_received.begin() + static_cast<ptrdiff_t>(piece));
    x_received_offset = offset;
    x_received_bytes -= count;
  }
  return err::success;
}

Errno StreamQueue::write(std::string_view data, size_t& count) {
  count = 0;
  if (x_send == SendState::kFailed) return x_send_error;
  if (x_send != SendState::kOpen) return err::pipe;
  if (data.empty()) return err::success;
  data = data.substr(0, room());
  if (data.empty()) return err::again;
  count = data.size();
  x_unsent_bytes += count;
  while (!data.empty()) {
    if (x_unsent.empty() || x_unsent.back().size() == kChunk) x_unsent.emplace_back();
    std::string& last = x_unsent.back();
    const size_t n = std::min(kChunk - last.size(), data.size());
    last.append(data.substr(0, n));
    data.remove_prefix(n);
  }
  return err::success;
}

Errno StreamQueue::finish() {
  if (x_send == SendState::kFailed) return x_send_error == err::notcapable ? err::notcapable : err::notconn;
  transition(StreamEvent::kFinish);
  return err::success;
}

bool StreamQueue::close() {
  const bool live = (x_call == CallState::kOpening || x_call == CallState::kOpen) && !x_broken;
  transition(StreamEvent::kClose);
  drop_received();
  return live;
}

StreamQueue::Polled StreamQueue::poll_read() const {
  if (x_received_bytes > 0) return {true, x_received_bytes, false};
  if (x_receive != ReceiveState::kOpen) return {true, 0, true};
  return {refused(), 0, false};
}

StreamQueue::Polled StreamQueue::poll_write() const {
  if (x_send == SendState::kFailed) return {true, 0, true};
  if (x_send != SendState::kOpen || refused()) return {true, 0, false};
  return {x_call == CallState::kOpen && room() >= kChunk, room(), false};
}

}  // namespace wasi_netd::shim
