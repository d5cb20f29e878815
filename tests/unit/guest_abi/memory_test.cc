#include "guest_abi/memory.h"

#include <gtest/gtest.h>

namespace wasi_netd::guest_abi {
namespace {

class GuestMemoryTest : public ::testing::Test {
 protected:
  void put_iovec(uint32_t at, uint32_t pointer, uint32_t length) {
    std::memcpy(bytes_.data() + at, &pointer, 4);
    std::memcpy(bytes_.data() + at + 4, &length, 4);
  }

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(32768);
  Memory memory_{wasi_netd_memory{bytes_.data(), bytes_.size()}};
};

TEST_F(GuestMemoryTest, ARangeIsInsideOrNotWhateverTheSum) {
  struct Case {
    uint32_t pointer;
    uint64_t size;
    bool inside;
  };
  for (const Case& c :
       {Case{0, 0, true}, Case{0, 32768, true}, Case{0, 32769, false}, Case{32768, 0, true}, Case{32769, 0, false},
        Case{32767, 1, true}, Case{32767, 2, false}, Case{0xffffffff, 0, false}, Case{0xffffffff, 1, false},
        Case{0xffffffff, 0xffffffff, false}, Case{1, ~uint64_t{0}, false}, Case{0x8000, ~uint64_t{0}, false}}) {
    EXPECT_EQ(memory_.range(c.pointer, c.size) != nullptr, c.inside) << c.pointer << "+" << c.size;
  }
}

TEST_F(GuestMemoryTest, AnOutValueIsWrittenWhereItPoints) {
  const auto out = memory_.out<uint32_t>(7);
  ASSERT_TRUE(out);
  out.set(0x01020304);
  EXPECT_EQ(bytes_[7], 4);
  EXPECT_EQ(bytes_[10], 1);
  EXPECT_FALSE(memory_.out<uint32_t>(32765));
}

TEST_F(GuestMemoryTest, AnEmptyGuestMemoryHasOnlyTheEmptyRange) {
  const Memory none(wasi_netd_memory{nullptr, 65536});
  EXPECT_NE(none.range(0, 0), nullptr);
  EXPECT_EQ(none.range(0, 1), nullptr);
  EXPECT_EQ(none.range(1, 0), nullptr);
}

TEST_F(GuestMemoryTest, IovecsBecomeHostAddresses) {
  put_iovec(0, 100, 10);
  put_iovec(8, 32768, 0);
  std::vector<wasi_netd_iovec> iovecs;
  ASSERT_EQ(memory_.iovecs(0, 2, &iovecs), errc::success);
  EXPECT_EQ(iovecs[0].data, bytes_.data() + 100);
  EXPECT_EQ(iovecs[0].size, 10u);
  EXPECT_EQ(iovecs[1].size, 0u);
}

TEST_F(GuestMemoryTest, FAULT_2_OverlappingIovecsMayNotAddUpToMoreThanTheAnswerHolds) {
  // 1024 times 4 MiB in a memory of 4 MiB is 2^32 bytes: one more than 32 bits count.
  std::vector<uint8_t> large(4 << 20);
  for (uint32_t i = 0; i < kMaxIovecs; ++i) {
    const uint32_t length = 4 << 20;
    std::memcpy(large.data() + i * 8 + 4, &length, 4);
  }
  const Memory memory(wasi_netd_memory{large.data(), large.size()});
  std::vector<wasi_netd_ciovec> iovecs;
  EXPECT_EQ(memory.iovecs(0, kMaxIovecs, &iovecs), errc::inval);
  EXPECT_EQ(memory.iovecs(0, kMaxIovecs - 1, &iovecs), errc::success);
  EXPECT_EQ(memory.iovecs(0, kMaxIovecs + 1, &iovecs), errc::inval);
}

}  // namespace
}  // namespace wasi_netd::guest_abi
