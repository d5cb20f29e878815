#include "client-shim/src/stream_state.h"

namespace wasi_netd::shim {

CallState next(CallState state, StreamEvent event) {
  switch (event) {
    case StreamEvent::kStart:
      return state == CallState::kIdle || state == CallState::kRefused ? CallState::kOpening : state;
    case StreamEvent::kOpened:
      return state == CallState::kOpening ? CallState::kOpen : state;
    case StreamEvent::kRefused:
      return state == CallState::kOpening ? CallState::kRefused : state;
    case StreamEvent::kEnded:
      return state == CallState::kOpening || state == CallState::kOpen ? CallState::kEnded : state;
    default:
      return state;
  }
}

ReceiveState next(ReceiveState state, StreamEvent event) {
  if (state == ReceiveState::kClosed) return state;
  switch (event) {
    case StreamEvent::kClose:
      return ReceiveState::kClosed;
    case StreamEvent::kRevoked:
      return ReceiveState::kFailed;
    case StreamEvent::kFin:
      return state == ReceiveState::kOpen ? ReceiveState::kFinished : state;
    case StreamEvent::kStop:
      return state == ReceiveState::kOpen ? ReceiveState::kStopped : state;
    // The peer's end came in order before this error: what it sent is whole, only writing is lost.
    case StreamEvent::kError:
      return state == ReceiveState::kFinished ? state : ReceiveState::kFailed;
    // A call that completes without the peer's end was aborted: never a clean end of file.
    case StreamEvent::kEnded:
      return state == ReceiveState::kOpen ? ReceiveState::kFailed : state;
    default:
      return state;
  }
}

SendState next(SendState state, StreamEvent event) {
  if (state == SendState::kClosed) return state;
  switch (event) {
    case StreamEvent::kClose:
      return SendState::kClosed;
    case StreamEvent::kRevoked:
    case StreamEvent::kError:
    case StreamEvent::kWriteError:
      return SendState::kFailed;
    case StreamEvent::kFinish:
      return state == SendState::kOpen ? SendState::kFinished : state;
    case StreamEvent::kEnded:
      return state == SendState::kOpen ? SendState::kFailed : state;
    default:
      return state;
  }
}

}  // namespace wasi_netd::shim
