#pragma once
// What one stream holds on the shim's side: what was read ahead, what is not yet sent, and what the next frame is.
//
// Pure: no gRPC, no locks, no clock. The owner (Stream) feeds it the daemon's frames and the guest's calls under the
// guest's Waker lock and asks after each change what to do: take_read() whether to start a gRPC read, take_frame()
// which frame to write. At most one of each is outstanding.
//
// Bounds: a read is started only while less than kChunk is queued, so at most one message lies above that and HTTP/2
// flow control holds the rest back; sending takes at most kSendLimit, the frame in flight included. Bytes written
// while a frame is in flight join into one frame of up to kChunk; when none is, they go at once.
//
// A stream of datagrams has the same states and bounds; what passes through it are whole datagrams, in frames of as
// many as fit (datagram_queue.cc). What the kernel said of one that was sent passes: the next read or write tells it.
//
// No byte is taken and no frame sent before the daemon has answered `opened`: a call it refuses has lost nothing.
//
// Errors are sticky: reads give what came before the error, then the error for ever; writes give `pipe` on a dead
// stream. A revoked stream forgets its bytes both ways and answers `notcapable`.
#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client-shim/src/errors.h"
#include "client-shim/src/stream_state.h"

namespace wasi_netd::shim {

class StreamQueue {
 public:
  static constexpr size_t kChunk = 64 * 1024;
  static constexpr size_t kSendLimit = 256 * 1024;
  static constexpr size_t kMaxDatagram = 65'507;   // the largest UDP payload over IPv4
  static constexpr size_t kMaxDatagrams = 128;     // of a frame
  static constexpr size_t kDatagramOverhead = 64;  // what each counts besides its bytes

  enum class Frame : uint8_t { kNone, kData, kNarrow, kStopReading, kFin, kClose, kDatagrams };
  struct Polled {
    bool ready = false;
    size_t bytes = 0;
    bool hangup = false;
  };

  explicit StreamQueue(bool datagrams = false) : datagrams_(datagrams) {}
  bool datagrams() const { return datagrams_; }

  // ---- the call. start(): the `open` frame is being written and a read is outstanding.
  void start();
  void opened(Errno error);
  void received(std::string data);
  void received_datagrams(std::vector<std::string> datagrams, bool truncated);  // the last of them was
  void passing_error(Errno error);
  void fin() { transition(StreamEvent::kFin); }
  void failed(Errno error);
  void write_failed(Errno error);
  void revoked();
  // The call completed; `error` is what an open receiving half answers from now on.
  void ended(Errno error);
  void read_completed() { reading_ = false; }
  void frame_written(bool ok);

  // True when a gRPC read must be started now.
  bool take_read();
  // The frame to write now; kNone while one is in flight or nothing is due. `data` is set for kData; for kNarrow the
  // rights are narrowed_to(), for kDatagrams they are frame_datagrams().
  Frame take_frame(std::string& data);
  std::vector<std::string>& frame_datagrams() { return frame_datagrams_; }

  // ---- the guest
  // `again` when nothing can be answered yet. 0 bytes with success: the end.
  Errno read(std::span<const wasi_netd_iovec> buffers, bool peek, size_t& count);
  // Takes as much of `data` as there is room for; `again` when there is none, or while the call is not open.
  Errno write(std::string_view data, size_t& count);
  // The same of a stream of datagrams. `truncated`: the buffers had no room for all of it, and the rest is lost.
  Errno read_datagram(std::span<const wasi_netd_iovec> buffers, bool peek, size_t& count, bool& truncated);
  // All buffers are one datagram, which is taken whole or not: `msgsize`, `again`.
  Errno write_datagram(std::span<const wasi_netd_ciovec> buffers, size_t& count);
  // Rights that the guest keeps; what it wrote before goes first. False: there is no live call to carry them.
  bool narrow(Rights rights);
  const Rights& narrowed_to() const { return narrowed_to_; }
  void stop_reading() { transition(StreamEvent::kStop); }
  Errno finish();
  // Discards what is read, leaves what was written. True: a `close` frame will go out behind it, unless the call is
  // refused; false: there is no live call to carry one.
  bool close();

  Polled poll_read() const;
  Polled poll_write() const;
  // The daemon's refusal of the call, told once; then needs_call() is true again.
  Errno take_refusal() { return std::exchange(refusal_, err::success); }
  bool refused() const { return refusal_ != err::success; }
  bool needs_call() const { return call_ == CallState::kIdle || (call_ == CallState::kRefused && !refused()); }
  bool deciding() const { return call_ == CallState::kOpening; }
  size_t queued() const { return received_bytes_; }
  // No read needs to wait: no byte will come that is not queued, the call was refused, or there is an error to tell.
  bool settled() const { return receive_ != ReceiveState::kOpen || refused() || passing_error_ != err::success; }
  // The `close` frame left.
  bool close_sent() const { return close_sent_ && !broken_; }

 private:
  void transition(StreamEvent event);
  void drop_received();
  void drop_unsent();
  void fill_datagram_frame();
  size_t room() const { return kSendLimit - unsent_bytes_ - in_flight_bytes_; }

  const bool datagrams_;
  CallState call_ = CallState::kIdle;
  ReceiveState receive_ = ReceiveState::kOpen;
  SendState send_ = SendState::kOpen;
  Errno refusal_ = err::success;
  Errno receive_error_ = err::success;
  Errno send_error_ = err::pipe;

  std::deque<std::string> received_;
  size_t received_offset_ = 0;  // into the first
  size_t received_bytes_ = 0;
  struct Datagram {
    std::string bytes;
    bool truncated;
  };
  std::deque<Datagram> received_datagrams_;
  Errno passing_error_ = err::success;
  std::deque<std::string> unsent_;  // each at most kChunk; or datagrams
  std::vector<std::string> frame_datagrams_;
  size_t unsent_bytes_ = 0;
  size_t in_flight_bytes_ = 0;

  bool reading_ = false;
  bool writing_ = false;
  bool broken_ = false;  // a write failed: nothing more can leave through this call
  Rights narrowed_to_;
  bool narrow_due_ = false;
  bool stop_sent_ = false;
  bool fin_sent_ = false;
  bool close_sent_ = false;
};

}  // namespace wasi_netd::shim
