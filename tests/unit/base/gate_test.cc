#include "daemon/base/gate.h"

#include <gtest/gtest.h>

namespace wasi_netd {
namespace {

TEST(Gate, TellsAtOnceWhenNothingIsHeld) {
  Gate gate;
  bool empty = false;
  gate.close([&] { empty = true; });
  EXPECT_TRUE(empty);
}

TEST(Gate, TellsWhenTheLastHolderGoes) {
  Gate gate;
  auto one = gate.enter();
  auto two = gate.enter();
  int told = 0;
  gate.close([&] { ++told; });
  one.reset();
  EXPECT_EQ(told, 0);
  two.reset();
  EXPECT_EQ(told, 1);
}

TEST(Gate, RefusesEntryOnceClosed) {
  Gate gate;
  gate.close(nullptr);
  EXPECT_FALSE(gate.enter());
}

TEST(Gate, CountsAMovedHolderOnce) {
  Gate gate;
  auto one = gate.enter();
  Gate::Holder moved = std::move(*one);
  EXPECT_EQ(gate.held(), 1u);
  one.reset();
  EXPECT_EQ(gate.held(), 1u);
}

TEST(GateDeathTest, AbortsWhenDestroyedWhileHeld) {
  EXPECT_DEATH(
      {
        auto gate = std::make_unique<Gate>();
        auto held = gate->enter();
        gate.reset();
      },
      "gate destroyed while held");
}

}  // namespace
}  // namespace wasi_netd
