// Names to addresses: against dnsmasq, and against servers that misbehave.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/loop/loop_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::net {
namespace {

using policy::Family;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ScriptedDns;

const std::vector<Family> kBoth = {Family::kIpv4, Family::kIpv6};
const std::vector<Family> kIpv4Only = {Family::kIpv4};

std::vector<std::string> texts_of(const Answer& answer) {
  std::vector<std::string> out;
  for (const auto& address : answer.addresses) out.push_back(policy::to_string(address));
  return out;
}
policy::IpEndpoint server_at(uint16_t port, const char* address = "127.0.0.1") {
  return std::get<policy::IpEndpoint>(ip(address, port));
}

class RealDns : public LoopTest {
 protected:
  void SetUp() override {
    if (!test::Dnsmasq::installed()) GTEST_SKIP() << "needs dnsmasq (package dnsmasq-base)";
    std::vector<std::string> records = {
        "--host-record=both.example,192.0.2.1,2001:db8::1,600", "--host-record=four.example,192.0.2.4,600",
        "--host-record=brief.example,192.0.2.5", "--cname=alias.example,four.example,60",
        "--host-record=hidden.example,::ffff:127.0.0.1,600"};
    for (int i = 1; i <= 120; ++i) {
      records.push_back("--host-record=many.example,198.51.100." + std::to_string(i) + ",600");
    }
    server_ = std::make_unique<test::Dnsmasq>(records);
  }
  void TearDown() override {
    for (auto& resolver : made_) resolver->close();
    made_.clear();
    LoopTest::TearDown();
  }
  std::shared_ptr<Resolver> resolver(std::vector<Family> families) {
    made_.push_back(make_resolver(loop(), {{server_at(server_->port())}, seconds(5), std::move(families)}));
    return made_.back();
  }
  std::unique_ptr<test::Dnsmasq> server_;
  std::vector<std::shared_ptr<Resolver>> made_;
};

TEST_F(RealDns, GivesBothFamiliesInTheOrderTheyWereAskedFor) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(texts_of(*run(resolver(kBoth)->resolve("both.example"))), (Texts{"192.0.2.1", "2001:db8::1"}));
  auto six_first = resolver({Family::kIpv6, Family::kIpv4});
  EXPECT_EQ(texts_of(*run(six_first->resolve("both.example"))), (Texts{"2001:db8::1", "192.0.2.1"}));
  EXPECT_EQ(texts_of(*run(resolver({})->resolve("both.example"))), (Texts{"2001:db8::1", "192.0.2.1"}));
}

TEST_F(RealDns, IsNotAskedForAFamilyThatIsNotWanted) {
  EXPECT_EQ(texts_of(*run(resolver(kIpv4Only)->resolve("both.example"))), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(server_->logged("query[A] both.example"), 1);
  EXPECT_EQ(server_->logged("query[AAAA] both.example"), 0);
}

TEST_F(RealDns, HasNoAnswerForNamesThatDoNotExist) {
  EXPECT_EQ(code_of(run(resolver(kBoth)->resolve("nobody.example"))), Errno::noent);
}

TEST_F(RealDns, HasNoAnswerForNamesWithoutAnAddressInTheFamily) {
  EXPECT_EQ(code_of(run(resolver({Family::kIpv6})->resolve("four.example"))), Errno::noent);
  EXPECT_EQ(texts_of(*run(resolver(kBoth)->resolve("four.example"))), std::vector<std::string>{"192.0.2.4"});
}

TEST_F(RealDns, FollowsAnAliasAndBelievesItNoLongerThanTheAlias) {
  auto answer = *run(resolver(kIpv4Only)->resolve("alias.example"));
  EXPECT_EQ(texts_of(answer), std::vector<std::string>{"192.0.2.4"});
  EXPECT_LE(answer.ttl, seconds(60));
  EXPECT_GT(answer.ttl, seconds(0));
}

TEST_F(RealDns, IsAskedOnceWhileTheAnswerLives) {
  auto cached = resolver(kIpv4Only);
  auto first = *run(cached->resolve("four.example"));
  auto second = *run(cached->resolve("four.example"));
  EXPECT_EQ(texts_of(first), texts_of(second));
  EXPECT_EQ(first.ttl, seconds(600));
  EXPECT_LE(second.ttl, first.ttl);
  EXPECT_EQ(server_->logged("query[A] four.example"), 1);
}

TEST_F(RealDns, IsAskedAgainForAnswersWithoutLifetime) {
  auto asking = resolver(kIpv4Only);
  EXPECT_EQ((*run(asking->resolve("brief.example"))).ttl, seconds(0));
  EXPECT_EQ((*run(asking->resolve("brief.example"))).ttl, seconds(0));
  EXPECT_EQ(server_->logged("query[A] brief.example"), 2);
}

TEST_F(RealDns, IsAskedAgainForNamesThatDidNotExist) {
  auto asking = resolver(kIpv4Only);
  EXPECT_EQ(code_of(run(asking->resolve("nobody.example"))), Errno::noent);
  EXPECT_EQ(code_of(run(asking->resolve("nobody.example"))), Errno::noent);
  EXPECT_EQ(server_->logged("query[A] nobody.example"), 2);
}

TEST_F(RealDns, SendsALargeAnswerOverTcpAndItIsBounded) {
  auto answer = *run(resolver(kIpv4Only)->resolve("many.example"));
  EXPECT_EQ(answer.addresses.size(), 64U);
  EXPECT_EQ(server_->logged("query[A] many.example"), 2) << "truncated over UDP, then over TCP";
}

TEST_F(RealDns, IsAskedForTheNameAsItIsAndNoOther) {
  EXPECT_NE(code_of(run(resolver(kIpv4Only)->resolve("four"))), Errno::success);
  EXPECT_EQ(server_->logged("query[A] four from"), server_->logged("query[A]"));
}

TEST_F(RealDns, ThatRefusesIsAFailureOfTheServer) {
  EXPECT_EQ(code_of(run(resolver(kIpv4Only)->resolve("not.ours.test"))), Errno::again);
}

TEST_F(RealDns, CannotHideIpv4InIpv6) {
  EXPECT_EQ(code_of(run(resolver({Family::kIpv6})->resolve("hidden.example"))), Errno::noent);
  EXPECT_EQ(texts_of(*run(resolver(kBoth)->resolve("hidden.example"))), std::vector<std::string>{"127.0.0.1"});
}

class BadDns : public LoopTest {
 protected:
  std::shared_ptr<Resolver> resolver(milliseconds timeout = seconds(30)) {
    return make_resolver(loop(), {{server_at(server_.port())}, timeout, kIpv4Only});
  }
  // Runs the loop until the server has a query. c-ares sends at once, so it need not wait.
  ScriptedDns::Query next_query() {
    run_until([&] { return server_.has_query(); });
    return server_.receive();
  }
  ScriptedDns server_;
};

TEST_F(BadDns, IsWaitedForNoLongerThanTheTimeout) {
  auto asking = resolver(milliseconds(60));
  EXPECT_EQ(code_of(run(asking->resolve("silent.example"))), Errno::timedout);
  asking->close();
}

TEST_F(BadDns, ThatDidNotAnswerOneCallerIsAskedForTheNext) {
  auto asking = resolver(milliseconds(50));
  auto outcome = run(asking->resolve("a.example"));
  EXPECT_EQ(code_of(outcome), Errno::timedout);
  // Some tries, where the machine is busy: the deadline is short.
  while (!outcome) {
    auto again = start(asking->resolve("a.example"));
    run_until([&] { return again->done() || server_.has_query(); });
    while (server_.has_query()) server_.answer(server_.receive(), 0, {ScriptedDns::a_record("192.0.2.9", 60)});
    outcome = finish(again);
  }
  EXPECT_EQ(texts_of(*outcome), std::vector<std::string>{"192.0.2.9"});
  asking->close();
}

TEST_F(BadDns, ThatAnsweredTooLateHelpsTheNextCaller) {
  auto asking = resolver(milliseconds(20));
  EXPECT_EQ(code_of(run(asking->resolve("late.example"))), Errno::timedout);
  server_.answer(next_query(), 0, {ScriptedDns::a_record("192.0.2.9", 60)});
  // The late answer is taken in by the loop, then found.
  auto outcome = run(asking->resolve("late.example"));
  while (!outcome) outcome = run(asking->resolve("late.example"));
  EXPECT_EQ(texts_of(*outcome), std::vector<std::string>{"192.0.2.9"});
  asking->close();
}

TEST_F(BadDns, IsAskedOnceForOneNameAtOneTime) {
  auto asking = resolver();
  auto first = start(asking->resolve("same.example"));
  auto second = start(asking->resolve("same.example"));
  auto other = start(asking->resolve("other.example"));
  auto same_query = next_query();
  auto other_query = next_query();
  EXPECT_FALSE(server_.has_query());
  server_.answer(other_query, 0, {ScriptedDns::a_record("192.0.2.2", 60)});
  server_.answer(same_query, 0, {ScriptedDns::a_record("192.0.2.1", 60)});
  EXPECT_EQ(texts_of(*finish(first)), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(texts_of(*finish(second)), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(texts_of(*finish(other)), std::vector<std::string>{"192.0.2.2"});
  asking->close();
}

TEST_F(BadDns, IsWaitedForByTheOthersWhenOneGivesUp) {
  auto asking = resolver();
  asio::cancellation_signal stop;
  auto first = start(asking->resolve("same.example", stop.slot()));
  auto second = start(asking->resolve("same.example"));
  auto query = next_query();
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(code_of(finish(first)), Errno::canceled);
  EXPECT_FALSE(second->done());
  server_.answer(query, 0, {ScriptedDns::a_record("192.0.2.1", 60)});
  EXPECT_EQ(texts_of(*finish(second)), std::vector<std::string>{"192.0.2.1"});
  EXPECT_FALSE(server_.has_query());
  asking->close();
}

TEST_F(BadDns, ThatEverybodyGaveUpIsAskedAgainAfterTheDeadline) {
  auto asking = resolver(milliseconds(400));
  asio::cancellation_signal stop;
  auto first = start(asking->resolve("slow.example", stop.slot()));
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(code_of(finish(first)), Errno::canceled);
  Timer deadline(loop(), milliseconds(450));
  auto passed = [](Timer& timer) -> Task<void> { (void)co_await timer.async_wait(kTuple); };
  run(passed(deadline));
  auto again = start(asking->resolve("slow.example"));
  EXPECT_FALSE(again->done()) << "it has a deadline of its own";
  while (!again->done()) {
    run_until([&] { return again->done() || server_.has_query(); });
    while (server_.has_query()) server_.answer(server_.receive(), 0, {ScriptedDns::a_record("192.0.2.9", 60)});
  }
  asking->close();
}

TEST_F(BadDns, HasABoundedNumberOfCallersWaiting) {
  auto asking = resolver();
  constexpr size_t kMost = 8192;
  std::vector<std::shared_ptr<Running<Result<Answer>>>> waiting;
  for (size_t i = 0; i < kMost; ++i) waiting.push_back(start(asking->resolve("same.example")));
  EXPECT_EQ(code_of(run(asking->resolve("same.example"))), Errno::nobufs);
  server_.answer(next_query(), 0, {ScriptedDns::a_record("192.0.2.1", 0)});
  for (const auto& one : waiting) EXPECT_EQ(code_of(finish(one)), Errno::success);
  asking->close();
}

TEST_F(BadDns, ThatFailsIsTriedOnceMoreThenItIsAgain) {
  auto asking = resolver();
  auto asked = start(asking->resolve("broken.example"));
  constexpr int kServerFailure = 2;
  server_.answer(next_query(), kServerFailure);
  server_.answer(next_query(), kServerFailure);
  EXPECT_EQ(code_of(finish(asked)), Errno::again);
  asking->close();
}

TEST_F(BadDns, IsNotBelievedWithTheWrongNumberOrQuestion) {
  auto asking = resolver();
  auto asked = start(asking->resolve("a.example"));
  auto query = next_query();
  auto forged = ScriptedDns::response(query, 0, {ScriptedDns::a_record("203.0.113.1", 60)});
  auto wrong_number = forged;
  wrong_number[0] = static_cast<char>(wrong_number[0] ^ 1);
  auto wrong_question = forged;
  wrong_question[13] = 'b';
  server_.send(query, wrong_number);
  server_.send(query, wrong_question);
  server_.answer(query, 0, {ScriptedDns::a_record("192.0.2.1", 60)});
  EXPECT_EQ(texts_of(*finish(asked)), std::vector<std::string>{"192.0.2.1"});
  asking->close();
}

TEST_F(BadDns, ThatSendsGarbageDoesNoHarm) {
  auto asking = resolver();
  for (size_t cut : {0U, 1U, 11U, 12U, 20U, 40U}) {
    std::string name = "g" + std::to_string(cut) + ".example";
    auto asked = start(asking->resolve(name));
    auto query = next_query();
    std::string garbage = ScriptedDns::response(query, 0, {ScriptedDns::a_record("192.0.2.1", 60)});
    garbage.resize(std::min(cut, garbage.size()));
    server_.send(query, garbage);
    std::string noise = test::pattern(400, static_cast<uint32_t>(cut));
    noise.replace(0, 2, query.bytes, 0, 2);
    server_.send(query, noise);
    // An answer with more records than it holds, and one whose name points at itself.
    auto short_of_records = ScriptedDns::response(query, 0, {});
    short_of_records[7] = 9;
    server_.send(query, short_of_records);
    auto loop_in_name = ScriptedDns::response(query, 0, {std::string("\xc0\x1e", 2) + std::string(40, '\0')});
    server_.send(query, loop_in_name);
    server_.answer(query, 0, {ScriptedDns::a_record("192.0.2.1", 60)});
    finish(asked);  // with whatever c-ares made of it
    while (server_.has_query()) server_.receive();
  }
  asking->close();
}

TEST_F(BadDns, ThatIsNotThereIsAgain) {
  // The port is ours at another address, so nobody else has it here.
  auto asking = make_resolver(loop(), {{server_at(server_.port(), "127.0.0.99")}, seconds(30), kIpv4Only});
  EXPECT_EQ(code_of(run(asking->resolve("a.example"))), Errno::again);
  asking->close();
}

TEST_F(BadDns, IsLeftForTheNextServer) {
  ScriptedDns silent;
  auto asking = make_resolver(loop(), {{server_at(silent.port()), server_at(server_.port())}, seconds(3), kIpv4Only});
  auto asked = start(asking->resolve("a.example"));
  server_.answer(next_query(), 0, {ScriptedDns::a_record("192.0.2.1", 60)});
  EXPECT_EQ(texts_of(*finish(asked)), std::vector<std::string>{"192.0.2.1"});
  asking->close();
}

TEST_F(BadDns, MayLiveOnIpv6) {
  ScriptedDns six("::1");
  auto asking = make_resolver(loop(), {{server_at(six.port(), "::1")}, seconds(30), kIpv4Only});
  auto asked = start(asking->resolve("a.example"));
  run_until([&] { return six.has_query(); });
  six.answer(six.receive(), 0, {ScriptedDns::a_record("192.0.2.1", 60)});
  EXPECT_EQ(code_of(finish(asked)), Errno::success);
  asking->close();
}

TEST_F(BadDns, DoesNotKeepACallerAfterClose) {
  auto asking = resolver();
  auto first = start(asking->resolve("a.example"));
  auto second = start(asking->resolve("a.example"));
  next_query();
  asking->close();
  EXPECT_EQ(code_of(finish(first)), Errno::canceled);
  EXPECT_EQ(code_of(finish(second)), Errno::canceled);
  EXPECT_EQ(code_of(run(asking->resolve("a.example"))), Errno::canceled);
  asking->close();
}

TEST_F(BadDns, LeavesNothingBehindWhenItsResolverGoes) {
  auto asking = resolver(milliseconds(20));
  std::weak_ptr<Resolver> object = asking;
  auto asked = start(asking->resolve("a.example"));
  asking.reset();
  EXPECT_FALSE(object.expired()) << "the caller waits for it";
  EXPECT_EQ(code_of(finish(asked)), Errno::timedout);
  run_ready();
  EXPECT_TRUE(object.expired());
}

TEST_F(BadDns, InAZoneIsNotSupported) {
  policy::IpEndpoint link_local{policy::IpAddress::v6({0xfe, 0x80}, "lo"), 53};
  auto asking = make_resolver(loop(), {{link_local}, seconds(1), kIpv4Only});
  EXPECT_EQ(code_of(run(asking->resolve("a.example"))), Errno::notsup);
}

class SystemDns : public LoopTest {};

TEST_F(SystemDns, KnowsLocalhostWithoutAsking) {
  auto asking = make_resolver(loop(), {{}, seconds(5), kIpv4Only});
  EXPECT_EQ(texts_of(*run(asking->resolve("localhost"))), std::vector<std::string>{"127.0.0.1"});
  asking->close();
  auto asking_both = make_resolver(loop(), {{}, seconds(5), kBoth});
  for (const auto& text : texts_of(*run(asking_both->resolve("localhost")))) {
    EXPECT_TRUE(text == "127.0.0.1" || text == "::1") << text;
  }
  asking_both->close();
}

// Out of descriptors, c-ares would go on with 127.0.0.1 and never look again.
TEST_F(SystemDns, IsReadOnceThereAreDescriptorsAgain) {
  std::unique_ptr<ScriptedDns> server;
  try {
    server = std::make_unique<ScriptedDns>("127.0.0.79", 53);
  } catch (const std::system_error& error) {
    GTEST_SKIP() << "needs port 53: " << error.what();
  }
  test::TemporaryDirectory directory;
  std::ofstream(directory / "resolv.conf") << "nameserver 127.0.0.79\n";
  const ResolverOptions options{{}, seconds(30), kIpv4Only, directory / "resolv.conf"};
  make_resolver(loop(), options)->close();
  std::shared_ptr<Resolver> asking;
  {
    NoDescriptors none;
    asking = make_resolver(loop(), options);
    EXPECT_EQ(code_of(run(asking->resolve("a.example"))), Errno::nfile);
    EXPECT_EQ(code_of(run(asking->resolve("a.example"))), Errno::nfile);
  }
  auto asked = start(asking->resolve("a.example"));
  run_until([&] { return asked->done() || server->has_query(); });
  ASSERT_TRUE(server->has_query());
  server->answer(server->receive(), 0, {ScriptedDns::a_record("192.0.2.1", 60)});
  EXPECT_EQ(code_of(finish(asked)), Errno::success);
  asking->close();
}

// resolv.conf names servers without a port, so this one has to be at 53.
TEST_F(SystemDns, FollowsTheSystemsServersWhenTheyChange) {
  std::unique_ptr<ScriptedDns> first, second;
  try {
    first = std::make_unique<ScriptedDns>("127.0.0.77", 53);
    second = std::make_unique<ScriptedDns>("127.0.0.78", 53);
  } catch (const std::system_error& error) {
    GTEST_SKIP() << "needs port 53: " << error.what();
  }
  test::TemporaryDirectory directory;
  auto name_server = [&](const std::string& address) {
    std::ofstream(directory / "new") << "nameserver " << address << "\nsearch nowhere.test\n";
    std::filesystem::rename(directory / "new", directory / "resolv.conf");
  };
  auto answers = [&](const std::shared_ptr<Resolver>& asking, ScriptedDns& server, const std::string& name) {
    auto asked = start(asking->resolve(name));
    run_until([&] { return server.has_query(); });
    server.answer(server.receive(), 0, {ScriptedDns::a_record("192.0.2.1", 60)});
    return code_of(finish(asked));
  };
  name_server("127.0.0.77");
  auto asking = make_resolver(loop(), {{}, seconds(30), kIpv4Only, directory / "resolv.conf"});
  EXPECT_EQ(answers(asking, *first, "a.example"), Errno::success);
  name_server("127.0.0.78");
  EXPECT_EQ(answers(asking, *second, "b.example"), Errno::success);
  EXPECT_FALSE(first->has_query());
  asking->close();
}

}  // namespace
}  // namespace wasi_netd::net
