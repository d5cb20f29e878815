#include "client-shim/src/fd_table.h"

#include <gtest/gtest.h>

namespace wasi_netd::shim {
namespace {

std::unique_ptr<int> entry(int value) { return std::make_unique<int>(value); }

class FdTableOfFour : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 4; ++i) ASSERT_EQ(table_.insert(entry(i)), i);
  }
  FdTable<int> table_;
};

TEST_F(FdTableOfFour, ANewFdGetsTheLowestFreeNumber) {
  table_.remove(2);
  table_.remove(1);
  EXPECT_EQ(table_.insert(entry(10)), 1);
  EXPECT_EQ(table_.insert(entry(11)), 2);
  EXPECT_EQ(table_.insert(entry(12)), 4);
}

TEST(FdTable, AWithheldNumberIsNeverGiven) {
  FdTable<int> table;
  table.withhold();
  EXPECT_EQ(table.insert(entry(1)), 1);
  table.withhold();
  EXPECT_EQ(table.insert(entry(3)), 3);
  EXPECT_EQ(table.insert(entry(4)), 4);
  for (const int32_t fd : {0, 2}) {
    EXPECT_EQ(table.find(fd), nullptr) << fd;
    EXPECT_EQ(table.remove(fd), nullptr) << fd;
  }
  table.remove(3);
  table.remove(1);
  EXPECT_EQ(table.insert(entry(10)), 1);
  EXPECT_EQ(table.insert(entry(11)), 3);
  EXPECT_EQ(table.insert(entry(12)), 5);
}

TEST_F(FdTableOfFour, NumbersThatAreNotOpenFindNothing) {
  table_.remove(3);
  for (const int32_t fd : {-1, INT32_MIN, 3, 4, INT32_MAX}) {
    EXPECT_EQ(table_.find(fd), nullptr) << fd;
    EXPECT_EQ(table_.remove(fd), nullptr) << fd;
  }
}

TEST_F(FdTableOfFour, RenumberMovesTheEntryAndFreesItsOldNumber) {
  EXPECT_EQ(*table_.renumber(1, 3), 3);
  EXPECT_EQ(*table_.find(3), 1);
  EXPECT_EQ(table_.find(1), nullptr);
  EXPECT_EQ(table_.insert(entry(9)), 1);
}

TEST_F(FdTableOfFour, VisitsAreInAscendingOrder) {
  table_.remove(1);
  std::string seen;
  table_.for_each(
      [&](int32_t fd, const int& value) { seen += std::to_string(fd) + ":" + std::to_string(value) + " "; });
  EXPECT_EQ(seen, "0:0 2:2 3:3 ");
}

}  // namespace
}  // namespace wasi_netd::shim
