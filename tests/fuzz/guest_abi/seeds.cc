// The seed run: the fuzz target over a fixed series of pseudo-random inputs, as an ordinary test.
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

TEST(FuzzGuestAbi, FAULT_1_NoSequenceOfCallsLeavesTheGuestsMemory) {
  std::mt19937 random(20200808);  // fixed: a failure comes again
  for (int run = 0; run < 20000; ++run) {
    std::vector<uint8_t> input(random() % 2048);
    for (auto& byte : input) byte = static_cast<uint8_t>(random());
    // Half of the runs in a small memory, where more pointers are near a border.
    if (input.size() > 2 && run % 2 == 0) input[1] = 0;
    ASSERT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }
}

}  // namespace
