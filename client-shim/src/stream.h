#pragma once
// One stream fd, of bytes or of datagrams: its queue and the Transfer call that moves what is in it.
//
// Owned by the guest's thread, which calls everything here without the lock, except poll_read/poll_write. The first
// read, write, poll or shutdown opens the call; a call that the daemon refused is told once and opened anew by the
// next use. Write and shutdown act only on a call that the daemon has opened: they wait for its answer, on a
// non-blocking fd too, as every other call to the daemon does. After close() the guest keeps the stream until
// drained(): what was written still goes out. What completes the call: both directions' end, an error, the `close`
// frame behind the last byte, or cancel().
#include <memory>
#include <span>

#include "client-shim/src/bidi_call.h"
#include "client-shim/src/session.h"
#include "client-shim/src/stream_queue.h"

namespace wasi_netd::shim {

class Stream final : private BidiCall<v1::TransferRequest, v1::TransferReply> {
 public:
  Stream(std::shared_ptr<Handle> handle, bool datagrams);
  ~Stream() override;

  // `peek` leaves the bytes where they are; `all` waits until the buffers are full (with peek: until as much is there
  // as the shim reads ahead). Of datagrams: one, and `all` means nothing; `truncated`: it was longer than the buffers.
  Errno read(std::span<const wasi_netd_iovec> buffers, bool nonblock, bool peek, bool all, size_t& count,
             bool& truncated);
  Errno write(std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count);
  Errno shutdown(bool reading, bool writing);
  // Gives rights up behind the bytes written before. False: no call is open that could carry it.
  bool narrow(Rights rights);

  // The fd is gone. True: the `close` frame is queued; false: the handle needs the Close rpc. Waits, until `deadline`,
  // for the daemon's answer to a call that is being opened: only then is it known which.
  bool close(Deadline deadline = kNever);
  // The call of a closed stream has completed; then `needs_close_rpc` is final. Under the lock.
  bool drained() const { return done(); }
  bool needs_close_rpc() const { return !by_rpc_ && !handle_->revoked && !queue_.close_sent(); }
  // Ends the call abruptly; drained() follows.
  void abort();

  const Handle& handle() const { return *handle_; }

  // For poll. Opens the call if there is none; success also when that is under way.
  Errno open();
  // Under the lock.
  bool deciding() const { return queue_.deciding(); }
  StreamQueue::Polled poll_read() const { return queue_.poll_read(); }
  StreamQueue::Polled poll_write() const { return queue_.poll_write(); }

 private:
  // Waits until `ready()`; success, or why waiting is over. `lock` is held.
  template <class Ready>
  Errno wait(Waker::Lock& lock, bool nonblock, Ready ready);
  Errno open(Waker::Lock& lock);
  Errno read_datagram(std::span<const wasi_netd_iovec> buffers, bool nonblock, bool peek, size_t& count,
                      bool& truncated);
  Errno write_datagram(std::span<const wasi_netd_ciovec> buffers, bool nonblock, size_t& count);
  // open(), until the daemon has answered; its refusal is told here.
  Errno open_decided(Waker::Lock& lock);

  Operations next_operations() override;
  void on_message(v1::TransferReply& reply) override;
  bool on_written(bool ok) override;
  void on_end(const grpc::Status& status) override;

  const std::shared_ptr<Handle> handle_;
  StreamQueue queue_;    // guarded
  bool by_rpc_ = false;  // closed while no live call could carry the `close` frame
};

}  // namespace wasi_netd::shim
