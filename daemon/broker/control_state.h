#pragma once
// The life of a control. Pure: (state, event) -> state.
#include <cstdint>
#include <optional>
#include <string_view>

namespace wasi_netd::broker {

// kIdle      - no socket. An any:0 control starts here and comes back after each connect.
//     Allowed: connect (again and again), listen, local_address (makes a socket).
// kBound     - a socket with an address that nothing uses yet.
//     Allowed: connect (uses the socket up), listen.
// kInUse     - the bound socket serves a connection.
//     Caveats: another connect is refused (isconn) until that connection ends; then the address is bound anew.
// kReleased  - that connection ended; the address is free and bound again by the next connect or listen.
// kListening - peers are admitted.
//     Allowed: accept. Caveats: connect and a second listen are refused (inval).
// kClosed    - the last handle is gone. Nothing is allowed.
enum class ControlState : uint8_t { kIdle, kBound, kInUse, kReleased, kListening, kClosed };

// kBind: a socket was bound. kConnectBound: a connect took the bound socket. kConnectFree: a connect with a socket of
// its own. kConnectionEnd: the connection that used the bound socket is over. kListen, kClose: as named.
enum class ControlEvent : uint8_t { kBind, kConnectBound, kConnectFree, kConnectionEnd, kListen, kClose };

constexpr std::string_view to_string(ControlState state) {
  constexpr std::string_view kNames[] = {"idle", "bound", "in-use", "released", "listening", "closed"};
  return kNames[static_cast<size_t>(state)];
}

// nullopt: the event is not allowed in the state.
constexpr std::optional<ControlState> next(ControlState state, ControlEvent event) {
  using S = ControlState;
  using E = ControlEvent;
  if (event == E::kClose) return state == S::kClosed ? std::nullopt : std::optional(S::kClosed);
  switch (state) {
    case S::kIdle:
      if (event == E::kBind) return S::kBound;
      if (event == E::kConnectFree) return S::kIdle;
      if (event == E::kListen) return S::kListening;
      return std::nullopt;
    case S::kBound:
      if (event == E::kConnectBound) return S::kInUse;
      if (event == E::kListen) return S::kListening;
      return std::nullopt;
    case S::kInUse:
      if (event == E::kConnectionEnd) return S::kReleased;
      return std::nullopt;
    case S::kReleased:
      if (event == E::kBind) return S::kBound;
      return std::nullopt;
    case S::kListening:
    case S::kClosed:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace wasi_netd::broker
