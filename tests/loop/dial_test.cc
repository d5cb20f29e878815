// The race for one of several addresses, and single dials that fail.
#include <algorithm>
#include <string>
#include <vector>

#include "daemon/net/dial_order.h"
#include "tests/loop/loop_test.h"
#include "tests/loop/unanswering.h"
#include "tests/support/proc.h"

namespace wasi_netd::net {
namespace {

struct OrderCase {
  std::vector<std::string> given;
  std::vector<std::string> order;
};
TEST(DialOrder, LetsFamiliesTakeTurnsBeginningWithTheFirst) {
  const OrderCase kCases[] = {
      {{}, {}},
      {{"1.0.0.1"}, {"1.0.0.1"}},
      {{"1.0.0.1", "1.0.0.2"}, {"1.0.0.1", "1.0.0.2"}},
      {{"2::1", "2::2", "1.0.0.1"}, {"2::1", "1.0.0.1", "2::2"}},
      {{"1.0.0.1", "1.0.0.2", "2::1"}, {"1.0.0.1", "2::1", "1.0.0.2"}},
      {{"2::1", "2::2", "2::3", "1.0.0.1", "1.0.0.2"}, {"2::1", "1.0.0.1", "2::2", "1.0.0.2", "2::3"}},
      {{"1.0.0.1", "2::1", "2::2", "2::3"}, {"1.0.0.1", "2::1", "2::2", "2::3"}},
      {{"2::1", "1.0.0.1", "1.0.0.2", "1.0.0.3"}, {"2::1", "1.0.0.1", "1.0.0.2", "1.0.0.3"}},
  };
  for (const auto& row : kCases) {
    std::vector<Endpoint> given;
    std::vector<std::string> order;
    for (const auto& address : row.given) given.push_back(ip(address, 80));
    for (const auto& endpoint : interleave_families(given)) {
      order.push_back(policy::to_string(std::get<policy::IpEndpoint>(endpoint).address));
    }
    EXPECT_EQ(order, row.order);
  }
}

class Dialling : public LoopTest {
 protected:
  Result<std::shared_ptr<Connection>> dial(std::vector<Endpoint> targets) {
    return run(dial_stream(loop(), std::move(targets))->run());
  }
  // A port that refuses: it is bound, so that nobody else gets it, but nobody listens.
  test::NativeSocket refusing_ = test::native_bind(test::native_ip("127.0.0.1", 0));
  Endpoint refused_ = ip("127.0.0.1", refusing_.local_port());
  test::NativeSocket server_ = test::native_listen(test::native_ip("127.0.0.1", 0));
  Endpoint good_ = ip("127.0.0.1", server_.local_port());
};

TEST_F(Dialling, TellsWhyAnAddressRefused) {
  EXPECT_EQ(code_of(dial({refused_})), Errno::connrefused);
  EXPECT_EQ(code_of(dial({ip("::1", 1)})), Errno::connrefused);
  EXPECT_EQ(code_of(dial({policy::NameEndpoint{"localhost", 80}})), Errno::inval);
  EXPECT_EQ(code_of(dial({policy::UnixEndpoint{}})), Errno::inval);
  EXPECT_EQ(code_of(dial({})), Errno::inval);
  EXPECT_EQ(code_of(dial({ip("255.255.255.255", 80)})), Errno::netunreach);
  EXPECT_EQ(code_of(dial({policy::IpEndpoint{policy::IpAddress::v6({0xfe, 0x80}, "nosuchzone"), 80}})), Errno::nodev);
}

TEST_F(Dialling, AnswersNfileWithoutDescriptors) {
  EXPECT_TRUE(dial({good_}));
  {
    NoDescriptors none;
    EXPECT_EQ(code_of(dial({good_})), Errno::nfile);
  }
  EXPECT_TRUE(dial({good_}));
}

TEST_F(Dialling, ReachesTheUnspecifiedAddressAndTellsWhereItGot) {
  auto connection = dial({ip("0.0.0.0", server_.local_port())});
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), good_);
}

TEST_F(Dialling, GoesOnWithTheNextAddressAtOnceWhenOneRefused) {
  std::vector<Endpoint> targets(15, refused_);
  targets.push_back(good_);
  auto before = std::chrono::steady_clock::now();
  auto connection = dial(targets);
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), good_);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3)) << "15 delays would take longer";
}

TEST_F(Dialling, TriesSixteenAddressesAndNoMore) {
  std::vector<Endpoint> targets(16, refused_);
  targets.push_back(good_);
  EXPECT_EQ(code_of(dial(targets)), Errno::connrefused);
}

TEST_F(Dialling, DoesNotWaitForAnAddressThatDoesNotAnswer) {
  Unanswering silent;
  auto connection = dial({silent.endpoint(), good_});
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), good_);
}

TEST_F(Dialling, HoldsFourDescriptorsAtMost) {
  Unanswering silent;
  const auto before = test::open_descriptors();
  auto race = dial_stream(loop(), std::vector<Endpoint>(16, silent.endpoint()));
  auto dialling = start(race->run());
  // The fifth and the sixth have begun by then.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5500);
  Timer passed(loop(), until);
  passed.async_wait([](boost::system::error_code) {});
  size_t most = 0;
  run_until([&] {
    most = std::max(most, test::open_descriptors() - before);
    return std::chrono::steady_clock::now() >= until;
  });
  EXPECT_EQ(most, 4U);
  EXPECT_FALSE(dialling->done());
  race->cancel();
  EXPECT_EQ(code_of(finish(dialling)), Errno::canceled);
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST_F(Dialling, GivesUpTheOldestForAFifthAddress) {
  Unanswering silent;
  std::vector<Endpoint> targets(4, silent.endpoint());
  targets.push_back(good_);
  auto connection = dial(targets);
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), good_);
}

TEST_F(Dialling, StopsTryingOnceOneConnected) {
  Unanswering silent;
  auto third = test::native_listen(test::native_ip("127.0.0.1", 0));
  auto connection = dial({silent.endpoint(), good_, ip("127.0.0.1", third.local_port())});
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), good_);
  pollfd nobody = {third.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&nobody, 1, 0), 0);
}

TEST_F(Dialling, WaitsForTheRestOfTheAddresses) {
  Unanswering silent;
  for (const auto& first : {refused_, silent.endpoint()}) {
    auto race = dial_stream(loop(), {first}, Targets::kMore);
    auto dialling = start(race->run());
    run_ready();
    EXPECT_FALSE(dialling->done());
    race->add({good_});
    auto connection = finish(dialling);
    ASSERT_TRUE(connection);
    EXPECT_EQ((*connection)->peer_endpoint(), good_);
  }
}

TEST_F(Dialling, EndsWhenTheRestIsNothingOrFailsToo) {
  for (const auto& rest : {std::vector<Endpoint>{}, std::vector<Endpoint>{ip("255.255.255.255", 1)}}) {
    auto race = dial_stream(loop(), {refused_}, Targets::kMore);
    auto dialling = start(race->run());
    run_ready();
    race->add(rest);
    EXPECT_EQ(code_of(finish(dialling)), rest.empty() ? Errno::connrefused : Errno::netunreach);
  }
}

TEST_F(Dialling, TriesTheRestNextAndSixteenInAll) {
  Unanswering silent;
  std::vector<Endpoint> first(15, silent.endpoint());
  auto race = dial_stream(loop(), first, Targets::kMore);
  auto dialling = start(race->run());
  auto second = test::native_listen(test::native_ip("127.0.0.1", 0));
  race->add({good_, ip("127.0.0.1", second.local_port())});
  const auto connection = finish(dialling);
  ASSERT_TRUE(connection);
  EXPECT_EQ((*connection)->peer_endpoint(), good_);

  auto bounded = dial_stream(loop(), std::vector<Endpoint>(16, refused_), Targets::kMore);
  auto running = start(bounded->run());
  run_ready();
  bounded->add({good_});
  EXPECT_EQ(code_of(finish(running)), Errno::connrefused);
}

TEST_F(Dialling, EndsWhenCanceledBeforeTheRestCame) {
  auto race = dial_stream(loop(), {refused_}, Targets::kMore);
  auto dialling = start(race->run());
  run_ready();
  race->cancel();
  EXPECT_EQ(code_of(finish(dialling)), Errno::canceled);
  race->add({good_});
  pollfd nobody = {server_.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&nobody, 1, 0), 0);
}

TEST_F(Dialling, TellsTheLastFailureWhenAllFailed) {
  test::TemporaryDirectory directory;
  EXPECT_EQ(code_of(dial({refused_, ip("255.255.255.255", 1)})), Errno::netunreach);
  EXPECT_EQ(code_of(dial({ip("255.255.255.255", 1), refused_})), Errno::connrefused);
}

TEST_F(Dialling, EndsWhenCanceled) {
  Unanswering silent;
  for (size_t attempts : {1U, 2U}) {
    auto race = dial_stream(loop(), std::vector<Endpoint>(attempts, silent.endpoint()));
    std::weak_ptr<Dial> object = race;
    auto dialling = start(race->run());
    EXPECT_FALSE(dialling->done());
    race->cancel();
    EXPECT_EQ(code_of(finish(dialling)), Errno::canceled);
    race.reset();
    run_ready();
    EXPECT_TRUE(object.expired());
  }
}

TEST_F(Dialling, DoesNothingWhenCanceledBefore) {
  auto race = dial_stream(loop(), {good_});
  race->cancel();
  EXPECT_EQ(code_of(run(race->run())), Errno::canceled);
  pollfd nobody = {server_.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&nobody, 1, 0), 0);
}

TEST_F(Dialling, LeavesNothingBehindWhenItWon) {
  Unanswering silent;
  auto race = dial_stream(loop(), {silent.endpoint(), good_});
  std::weak_ptr<Dial> object = race;
  auto connection = run(race->run());
  ASSERT_TRUE(connection);
  race.reset();
  run_ready();
  EXPECT_TRUE(object.expired());
}

}  // namespace
}  // namespace wasi_netd::net
