// Every (state, event) pair of a stream's three machines, as tables: a row per state, a column per event.
#include "client-shim/src/stream_state.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace wasi_netd::shim {
namespace {

using Event = StreamEvent;

const std::vector<std::pair<Event, std::string>> kEvents = {
    {Event::kStart, "start"},     {Event::kOpened, "opened"}, {Event::kRefused, "refused"},
    {Event::kFin, "fin"},         {Event::kError, "error"},   {Event::kWriteError, "write error"},
    {Event::kRevoked, "revoked"}, {Event::kEnded, "ended"},   {Event::kFinish, "finish"},
    {Event::kStop, "stop"},       {Event::kClose, "close"},
};

template <class State>
void expect_table(const std::vector<std::pair<State, std::vector<State>>>& table) {
  for (const auto& [state, row] : table) {
    ASSERT_EQ(row.size(), kEvents.size());
    for (size_t i = 0; i < row.size(); ++i) {
      EXPECT_EQ(next(state, kEvents[i].first), row[i])
          << "state " << static_cast<int>(state) << ", event " << kEvents[i].second;
    }
  }
}

TEST(StreamState, TheCallFollowsItsTable) {
  constexpr auto kIdle = CallState::kIdle;
  constexpr auto kOpening = CallState::kOpening;
  constexpr auto kOpen = CallState::kOpen;
  constexpr auto kRefused = CallState::kRefused;
  constexpr auto kEnded = CallState::kEnded;
  // clang-format off
  expect_table<CallState>({
      //           start     opened   refused   fin       error     w.error   revoked   ended     finish    stop      close
      {kIdle,    {kOpening, kIdle,    kIdle,    kIdle,    kIdle,    kIdle,    kIdle,    kIdle,    kIdle,    kIdle,    kIdle}},
      {kOpening, {kOpening, kOpen,    kRefused, kOpening, kOpening, kOpening, kOpening, kEnded,   kOpening, kOpening, kOpening}},
      {kOpen,    {kOpen,    kOpen,    kOpen,    kOpen,    kOpen,    kOpen,    kOpen,    kEnded,   kOpen,    kOpen,    kOpen}},
      {kRefused, {kOpening, kRefused, kRefused, kRefused, kRefused, kRefused, kRefused, kRefused, kRefused, kRefused, kRefused}},
      {kEnded,   {kEnded,   kEnded,   kEnded,   kEnded,   kEnded,   kEnded,   kEnded,   kEnded,   kEnded,   kEnded,   kEnded}},
  });
  // clang-format on
}

TEST(StreamState, TheReceivingHalfFollowsItsTable) {
  constexpr auto kOpen = ReceiveState::kOpen;
  constexpr auto kFinish = ReceiveState::kFinished;
  constexpr auto kStopped = ReceiveState::kStopped;
  constexpr auto kFailed = ReceiveState::kFailed;
  constexpr auto kClosed = ReceiveState::kClosed;
  // clang-format off
  expect_table<ReceiveState>({
      //           start     opened    refused   fin       error     w.error   revoked  ended     finish    stop      close
      {kOpen,    {kOpen,    kOpen,    kOpen,    kFinish,  kFailed,  kOpen,    kFailed, kFailed,  kOpen,    kStopped, kClosed}},
      {kFinish,  {kFinish,  kFinish,  kFinish,  kFinish,  kFinish,  kFinish,  kFailed, kFinish,  kFinish,  kFinish,  kClosed}},
      {kStopped, {kStopped, kStopped, kStopped, kStopped, kFailed,  kStopped, kFailed, kStopped, kStopped, kStopped, kClosed}},
      {kFailed,  {kFailed,  kFailed,  kFailed,  kFailed,  kFailed,  kFailed,  kFailed, kFailed,  kFailed,  kFailed,  kClosed}},
      {kClosed,  {kClosed,  kClosed,  kClosed,  kClosed,  kClosed,  kClosed,  kClosed, kClosed,  kClosed,  kClosed,  kClosed}},
  });
  // clang-format on
}

TEST(StreamState, TheSendingHalfFollowsItsTable) {
  constexpr auto kOpen = SendState::kOpen;
  constexpr auto kFinish = SendState::kFinished;
  constexpr auto kFailed = SendState::kFailed;
  constexpr auto kClosed = SendState::kClosed;
  // clang-format off
  expect_table<SendState>({
      //          start    opened   refused  fin      error    w.error  revoked  ended    finish   stop     close
      {kOpen,   {kOpen,   kOpen,   kOpen,   kOpen,   kFailed, kFailed, kFailed, kFailed, kFinish, kOpen,   kClosed}},
      {kFinish, {kFinish, kFinish, kFinish, kFinish, kFailed, kFailed, kFailed, kFinish, kFinish, kFinish, kClosed}},
      {kFailed, {kFailed, kFailed, kFailed, kFailed, kFailed, kFailed, kFailed, kFailed, kFailed, kFailed, kClosed}},
      {kClosed, {kClosed, kClosed, kClosed, kClosed, kClosed, kClosed, kClosed, kClosed, kClosed, kClosed, kClosed}},
  });
  // clang-format on
}

}  // namespace
}  // namespace wasi_netd::shim
