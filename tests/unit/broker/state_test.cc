// Every (state, event) pair of the broker's state machines.
#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "daemon/broker/connection_state.h"
#include "daemon/broker/control_state.h"

namespace wasi_netd::broker {
namespace {

// Every pair up to the last state and the last event.
template <typename State, typename Event>
void expect_steps(State last_state, Event last_event, const std::map<std::pair<State, Event>, State>& steps) {
  for (int state = 0; state <= static_cast<int>(last_state); ++state) {
    for (int event = 0; event <= static_cast<int>(last_event); ++event) {
      const auto pair = std::make_pair(static_cast<State>(state), static_cast<Event>(event));
      const auto expected = steps.find(pair);
      const auto got = next(pair.first, pair.second);
      ASSERT_EQ(got.has_value(), expected != steps.end()) << to_string(pair.first) << " event " << event;
      if (got) {
        EXPECT_EQ(*got, expected->second) << to_string(pair.first) << " event " << event;
      }
    }
  }
}

TEST(ControlState, AllowsTheseStepsAndNoOthers) {
  using S = ControlState;
  using E = ControlEvent;
  const std::map<std::pair<S, E>, S> steps = {
      {{S::kIdle, E::kBind}, S::kBound},        {{S::kIdle, E::kConnectFree}, S::kIdle},
      {{S::kIdle, E::kListen}, S::kListening},  {{S::kBound, E::kConnectBound}, S::kInUse},
      {{S::kBound, E::kListen}, S::kListening}, {{S::kInUse, E::kConnectionEnd}, S::kReleased},
      {{S::kReleased, E::kBind}, S::kBound},    {{S::kIdle, E::kClose}, S::kClosed},
      {{S::kBound, E::kClose}, S::kClosed},     {{S::kInUse, E::kClose}, S::kClosed},
      {{S::kReleased, E::kClose}, S::kClosed},  {{S::kListening, E::kClose}, S::kClosed},
  };
  expect_steps(S::kClosed, E::kClose, steps);
}

TEST(ConnectionState, AllowsTheseStepsAndNoOthers) {
  using S = ConnectionState;
  using E = ConnectionEvent;
  const std::map<std::pair<S, E>, S> steps = {
      {{S::kConnecting, E::kEstablished}, S::kConnected},
      {{S::kConnecting, E::kRefused}, S::kFailed},
      {{S::kConnecting, E::kRelease}, S::kEnded},
      {{S::kConnecting, E::kAbort}, S::kEnded},
      {{S::kConnected, E::kRelease}, S::kEnding},
      {{S::kConnected, E::kAbort}, S::kEnded},
      {{S::kFailed, E::kRelease}, S::kEnded},
      {{S::kFailed, E::kAbort}, S::kEnded},
      {{S::kEnding, E::kFinished}, S::kEnded},
      {{S::kEnding, E::kAbort}, S::kEnded},
  };
  expect_steps(S::kEnded, E::kFinished, steps);
}

}  // namespace
}  // namespace wasi_netd::broker
