#pragma once
// The state machines of one stream as the guest sees it: the Transfer call that carries it, and its two half-states.
// Pure functions (state, event) -> state; a pair that means nothing leaves the state as it is, because the guest, the
// peer and a policy change act at the same time and any of them may come second. Actions are StreamQueue's.
#include <cstdint>

namespace wasi_netd::shim {

// The Transfer call.
enum class CallState : uint8_t {
  kIdle,     // not opened: the first read, write, poll or shutdown opens it
  kOpening,  // `open` is on its way; nothing may follow it yet
  kOpen,     // the daemon answered `opened`
  kRefused,  // the daemon answered an errno: told once, then the next use opens anew
  kEnded,    // the call completed; both halves have their last word
};

// Bytes from the peer.
enum class ReceiveState : uint8_t {
  kOpen,      // more may come
  kFinished,  // the peer's orderly end: after what is queued, reads return 0
  kStopped,   // the guest shut reading down: as kFinished, later bytes are discarded
  kFailed,    // after what is queued, reads return the error, for ever
  kClosed,    // the guest closed the fd: everything is discarded
};

// Bytes to the peer.
enum class SendState : uint8_t {
  kOpen,      // writes are queued
  kFinished,  // the guest shut writing down: what is queued goes out, then `fin`
  kFailed,    // nothing goes out any more, writes return the error, for ever
  kClosed,    // the guest closed the fd: what is queued goes out, then `close`
};

enum class StreamEvent : uint8_t {
  kStart,       // shim: the Transfer call begins
  kOpened,      // daemon: the stream is in Transfer mode
  kRefused,     // daemon: it is not
  kFin,         // daemon: the peer's orderly end
  kError,       // daemon: the stream is dead
  kWriteError,  // daemon: writing is over, reading may go on
  kRevoked,     // daemon: a change of policy closed the handle
  kEnded,       // gRPC: the call completed
  kFinish,      // guest: shutdown of writing
  kStop,        // guest: shutdown of reading
  kClose,       // guest: close
};

CallState next(CallState state, StreamEvent event);
ReceiveState next(ReceiveState state, StreamEvent event);
SendState next(SendState state, StreamEvent event);

}  // namespace wasi_netd::shim
