// A name's families are asked for side by side, and neither waits for the other longer than RFC 8305 says.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "daemon/net/dns_answer.h"
#include "tests/loop/loop_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::net {
namespace {

using policy::Family;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ScriptedDns;
using Texts = std::vector<std::string>;

Texts texts_of(const Answer& answer) {
  Texts out;
  for (const auto& address : answer.addresses) out.push_back(policy::to_string(address));
  return out;
}

TEST(AnswerOrder, HasThePreferredFamilyFirstAndRoomForTheOther) {
  const struct {
    size_t v4, v6;            // found
    size_t kept_v4, kept_v6;  // of 64
    std::vector<Family> wanted;
  } kCases[] = {
      {2, 3, 2, 3, {Family::kIpv6, Family::kIpv4}},
      {100, 0, 64, 0, {Family::kIpv6, Family::kIpv4}},
      {0, 100, 0, 64, {Family::kIpv6, Family::kIpv4}},
      {64, 64, 32, 32, {Family::kIpv6, Family::kIpv4}},
      {10, 64, 10, 54, {Family::kIpv6, Family::kIpv4}},
      {64, 10, 54, 10, {Family::kIpv6, Family::kIpv4}},
      {64, 64, 32, 32, {Family::kIpv4, Family::kIpv6}},
      {64, 64, 64, 0, {Family::kIpv4}},
      {0, 3, 0, 0, {Family::kIpv4}},
  };
  for (const auto& row : kCases) {
    Answer found{{}, seconds(7)};
    for (size_t i = 0; i < row.v4; ++i) found.addresses.push_back(*policy::parse_ip("10.0.0." + std::to_string(i)));
    for (size_t i = 0; i < row.v6; ++i) found.addresses.push_back(*policy::parse_ip("fd00::" + std::to_string(i)));
    const Answer ordered = in_order(found, row.wanted);
    const auto is_v4 = [](const policy::IpAddress& address) { return address.family == Family::kIpv4; };
    EXPECT_EQ(static_cast<size_t>(std::ranges::count_if(ordered.addresses, is_v4)), row.kept_v4);
    EXPECT_EQ(ordered.addresses.size(), row.kept_v4 + row.kept_v6);
    EXPECT_TRUE(std::ranges::is_partitioned(ordered.addresses,
                                            [&](const auto& one) { return one.family == row.wanted.front(); }));
    EXPECT_EQ(ordered.ttl, seconds(7));
  }
}

class TwoFamilies : public LoopTest {
 protected:
  void TearDown() override {
    asking_->close();
    asking_.reset();
    LoopTest::TearDown();
  }
  void ask(milliseconds timeout = seconds(30)) {
    const policy::IpEndpoint server = std::get<policy::IpEndpoint>(ip("127.0.0.1", server_.port()));
    asking_ = make_resolver(loop(), {{server}, timeout, {}});
    asked_ = start(asking_->resolve("a.example", stop_.slot(), [this](const Answer& first) {
      EXPECT_TRUE(early_.empty()) << "more than once";
      early_ = texts_of(first);
    }));
    for (int i = 0; i < 2; ++i) {
      run_until([&] { return server_.has_query(); });
      auto query = server_.receive();
      queries_[query.bytes[query.bytes.find("example") + 9]] = query;
    }
  }
  void answer_a(uint32_t ttl = 60) { server_.answer(queries_.at(1), 0, {ScriptedDns::a_record("192.0.2.1", ttl)}); }
  void answer_aaaa(uint32_t ttl = 60) {
    server_.answer(queries_.at(28), 0, {ScriptedDns::aaaa_record("2001:db8::1", ttl)});
  }
  // Every query until the end gets this code.
  Result<Answer> fail_until_done(int code) {
    run_until([&] {
      if (server_.has_query()) server_.answer(server_.receive(), code);
      return asked_->done();
    });
    return *asked_->value;
  }
  ScriptedDns server_;
  std::shared_ptr<Resolver> asking_;
  std::shared_ptr<Running<Result<Answer>>> asked_;
  std::map<int, ScriptedDns::Query> queries_;  // by type
  asio::cancellation_signal stop_;
  Texts early_;
};

TEST_F(TwoFamilies, AreAskedForBeforeEitherIsAnswered) {
  ask();
  EXPECT_EQ(queries_.size(), 2U);
  answer_a();
  answer_aaaa();
  EXPECT_EQ(texts_of(*finish(asked_)), (Texts{"2001:db8::1", "192.0.2.1"}));
}

TEST_F(TwoFamilies, BeginWithThePreferredOneAtOnce) {
  ask();
  answer_aaaa();
  run_until([&] { return !early_.empty(); });
  EXPECT_EQ(early_, Texts{"2001:db8::1"});
  EXPECT_FALSE(asked_->done());
  answer_a();
  EXPECT_EQ(texts_of(*finish(asked_)), (Texts{"2001:db8::1", "192.0.2.1"}));
}

TEST_F(TwoFamilies, GiveThePreferredOneTimeToCome) {
  ask();
  const auto before = std::chrono::steady_clock::now();
  answer_a();
  run_until([&] { return !early_.empty(); });
  EXPECT_GE(std::chrono::steady_clock::now() - before, milliseconds(50));
  EXPECT_EQ(early_, Texts{"192.0.2.1"});
  answer_aaaa();
  EXPECT_EQ(texts_of(*finish(asked_)), (Texts{"2001:db8::1", "192.0.2.1"}));
}

TEST_F(TwoFamilies, AreGivenAsOneWhenNeitherIsLate) {
  ask();
  server_.answer(queries_.at(28), 0);  // it has no address
  answer_a();
  EXPECT_EQ(texts_of(*finish(asked_)), Texts{"192.0.2.1"});
  EXPECT_TRUE(early_.empty());
}

TEST_F(TwoFamilies, OneIsEnoughWhenTheTimeIsUpButNotForLong) {
  ask(milliseconds(200));
  answer_a(600);
  auto answer = finish(asked_);
  EXPECT_EQ(texts_of(*answer), Texts{"192.0.2.1"});
  EXPECT_EQ(answer->ttl, seconds(10));
  while (server_.has_query()) server_.receive();
  EXPECT_EQ(texts_of(*run(asking_->resolve("a.example"))), Texts{"192.0.2.1"});
  EXPECT_FALSE(server_.has_query()) << "it was kept";
}

TEST_F(TwoFamilies, OneIsEnoughWhenTheOtherFailsButNotForLong) {
  ask();
  answer_a(600);
  constexpr int kServerFailure = 2;
  server_.answer(queries_.at(28), kServerFailure);
  const auto answer = fail_until_done(kServerFailure);
  EXPECT_EQ(texts_of(*answer), Texts{"192.0.2.1"});
  EXPECT_EQ(answer->ttl, seconds(10));
}

TEST_F(TwoFamilies, NoAddressInOneDoesNotHideThatTheOtherFailed) {
  for (const int failing : {1, 28}) {
    ask();
    constexpr int kServerFailure = 2;
    server_.answer(queries_.at(failing), kServerFailure);
    server_.answer(queries_.at(failing == 1 ? 28 : 1), 0);
    EXPECT_EQ(code_of(fail_until_done(kServerFailure)), Errno::again);
    asking_->close();
  }
}

TEST_F(TwoFamilies, LiveAsLongAsTheShorterLived) {
  ask();
  answer_a(30);
  answer_aaaa(600);
  EXPECT_EQ(finish(asked_)->ttl, seconds(30));
}

TEST_F(TwoFamilies, GoOnForTheNextWhenOneWasEnough) {
  ask();
  answer_aaaa();
  run_until([&] { return !early_.empty(); });
  stop_.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(code_of(finish(asked_)), Errno::canceled);
  Texts first;
  auto next = start(asking_->resolve("a.example", {}, [&first](const Answer& some) { first = texts_of(some); }));
  EXPECT_EQ(first, Texts{"2001:db8::1"}) << "it is there already";
  answer_a();
  EXPECT_EQ(texts_of(*finish(next)), (Texts{"2001:db8::1", "192.0.2.1"}));
  EXPECT_FALSE(server_.has_query());
}

TEST_F(TwoFamilies, TellACallerThatItMayBeginOnlyWhileItWaits) {
  ask();
  asking_->close();
  EXPECT_EQ(code_of(finish(asked_)), Errno::canceled);
  answer_aaaa();
  run_ready();
  EXPECT_TRUE(early_.empty());
}

}  // namespace
}  // namespace wasi_netd::net
