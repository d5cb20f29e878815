#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include "daemon/broker/call.h"

namespace wasi_netd::broker {
namespace {

Task<void> wait(WaitList& list, Call& call, std::vector<int>& woken, int who) {
  co_await list.wait(call);
  woken.push_back(who);
}

class WaitListTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int who = 0; who < 3; ++who) {
      boost::asio::co_spawn(loop_, wait(list_, calls_[who], woken_, who), boost::asio::detached);
    }
    run();
  }
  void TearDown() override {
    list_.wake_all();
    run();
    EXPECT_EQ(woken_.size(), 3U);
  }
  void run() {
    loop_.restart();
    loop_.poll();
  }
  using Woken = std::vector<int>;

  boost::asio::io_context loop_;
  WaitList list_{loop_.get_executor()};
  Call calls_[3];
  Woken woken_;
};

TEST_F(WaitListTest, OneThingForOneCallWakesOneInTheirOrder) {
  list_.wake_one();
  run();
  EXPECT_EQ(woken_, Woken{0});
  list_.wake_one();
  list_.wake_one();
  run();
  EXPECT_EQ(woken_, (Woken{0, 1, 2}));
}

TEST_F(WaitListTest, ACancelledCallHandsItsWakeOn) {
  list_.wake_one();
  calls_[0].cancel();
  run();
  EXPECT_EQ(woken_, (Woken{0, 1})) << "what one was woken for is still there";
}

TEST_F(WaitListTest, ACancelledCallThatWasNotWokenWakesNobody) {
  calls_[1].cancel();
  run();
  EXPECT_EQ(woken_, Woken{1});
  list_.wake_one();
  run();
  EXPECT_EQ(woken_, (Woken{1, 0}));
}

TEST_F(WaitListTest, AWakeWithoutWaitersIsForgotten) {
  list_.wake_all();
  run();
  EXPECT_EQ(woken_, (Woken{0, 1, 2}));
  list_.wake_one();
  Call late;
  Woken woken;
  boost::asio::co_spawn(loop_, wait(list_, late, woken, 3), boost::asio::detached);
  run();
  EXPECT_EQ(woken, Woken{});
  list_.wake_one();
  run();
  EXPECT_EQ(woken, Woken{3});
}

}  // namespace
}  // namespace wasi_netd::broker
