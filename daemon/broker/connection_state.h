#pragma once
// The life of a connection. Pure: (state, event) -> state.
#include <cstdint>
#include <optional>
#include <string_view>

namespace wasi_netd::broker {

// kConnecting - the name is being resolved or an address dialled.
//     Allowed: poll, close. stream_create answers `again` (or waits).
// kConnected  - bytes can move. Allowed: everything.
// kFailed     - the connect was refused. Every call answers its errno. Caveats: nothing of it remains but the handle.
// kEnding     - no stream will use it any more; what was written is being delivered.
// kEnded      - the socket is closed.
enum class ConnectionState : uint8_t { kConnecting, kConnected, kFailed, kEnding, kEnded };

// kEstablished, kRefused: the dial's outcome. kRelease: the last stream or handle that could use it is gone. kAbort:
// reset by us (host died, revoked). kFinished: everything was delivered.
enum class ConnectionEvent : uint8_t { kEstablished, kRefused, kRelease, kAbort, kFinished };

constexpr std::string_view to_string(ConnectionState state) {
  constexpr std::string_view kNames[] = {"connecting", "connected", "failed", "ending", "ended"};
  return kNames[static_cast<size_t>(state)];
}

constexpr std::optional<ConnectionState> next(ConnectionState state, ConnectionEvent event) {
  using S = ConnectionState;
  using E = ConnectionEvent;
  switch (state) {
    case S::kConnecting:
      if (event == E::kEstablished) return S::kConnected;
      if (event == E::kRefused) return S::kFailed;
      if (event == E::kAbort || event == E::kRelease) return S::kEnded;
      return std::nullopt;
    case S::kConnected:
      if (event == E::kRelease) return S::kEnding;
      if (event == E::kAbort) return S::kEnded;
      return std::nullopt;
    case S::kFailed:
      if (event == E::kRelease || event == E::kAbort) return S::kEnded;
      return std::nullopt;
    case S::kEnding:
      if (event == E::kFinished || event == E::kAbort) return S::kEnded;
      return std::nullopt;
    case S::kEnded:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace wasi_netd::broker
