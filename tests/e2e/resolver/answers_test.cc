// What answers lead to: every address is judged, only what was judged is dialled, and what is no answer has its errno.
#include <set>

#include "tests/e2e/resolver/resolver_test.h"

namespace wasi_netd::test {
namespace {

TEST_F(ResolverTest, RESOLVE_2_ANameThatTurnsToTheInsideLeadsNowhere) {
  Places places({"127.0.0.2", "127.0.0.1"});
  serve("rebind A 127.0.0.2\n");
  start();
  const std::string asked = "rebind.test:" + places.port();
  EXPECT_EQ(connect("rebind.test", places.port()), "success");
  EXPECT_EQ(peer(), "127.0.0.2:" + places.port());
  knot_->serve("rebind A 127.0.0.1\n");
  EXPECT_EQ(connect("rebind.test", places.port()), "acces");
  EXPECT_TRUE(places.untouched(1));

  const auto records = decisions(asked);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[0], HasSubstr("\"resolved\":[\"127.0.0.2:" + places.port() + "\"],\"verdict\":\"allow\""));
  EXPECT_THAT(records[0], HasSubstr("acme.yaml:"));
  EXPECT_THAT(records[1], HasSubstr("\"resolved\":[\"127.0.0.1:" + places.port() + "\"],\"verdict\":\"deny\""));
  EXPECT_THAT(records[1], HasSubstr("loopback"));
}

TEST_F(ResolverTest, RESOLVE_2_OfAMixedAnswerOnlyThePermittedAddressIsDialled) {
  Places places({"127.0.0.2", "127.0.0.1"});
  serve(
      "mixed A 127.0.0.1\nmixed A 10.0.0.1\nmixed A 127.0.0.2\nmixed A 169.254.169.254\nmixed AAAA ::ffff:127.0.0.1\n"
      "mixed AAAA fd00::1\nmixed AAAA 64:ff9b::7f00:1\n");
  start();
  for (int round = 0; round < 8; ++round) {  // the records turn around
    EXPECT_EQ(connect("mixed.test", places.port()), "success");
    EXPECT_EQ(peer(), "127.0.0.2:" + places.port());
  }
  EXPECT_EQ(ask("resolve net mixed.test"), "success text=127.0.0.2|");
  EXPECT_TRUE(places.untouched(1));
  for (const auto& record : decisions("mixed.test:" + places.port())) {
    EXPECT_THAT(record, HasSubstr("\"resolved\":[\"127.0.0.2:" + places.port() + "\"],\"verdict\":\"allow\""));
  }
}

TEST_F(ResolverTest, ThereIsNoSecondLookUpBetweenJudgingAndDialling) {
  Places places({"127.0.0.2", "127.0.0.1"});
  serve("one A 127.0.0.2\n");
  start();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(connect("one.test", places.port()), "success");
    EXPECT_THAT(dns_->take_sorted(), ElementsAre("A one.test", "AAAA one.test")) << "each family once";
  }
}

TEST_F(ResolverTest, AHugeAnswerComesOverTcpAndItsFirst64AddressesAreUsed) {
  const NativeSocket everywhere = native_listen(native_ip("0.0.0.0", 0));
  std::string records;
  for (int i = 0; i < 500; ++i) {
    records += "huge A 127.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250) + "\n";
  }
  serve(records);
  start(protocol("net", dns_->address(), "    families: [ipv4]\n", "", "\"huge.test\", \"127.1.0.0/16\""));
  const std::string answer = value_of(ask("resolve net huge.test"), "text");
  EXPECT_EQ(std::ranges::count(answer, '|'), 64);
  EXPECT_THAT(dns_->take_queries(), ElementsAre("A huge.test", "A huge.test tcp"));
  EXPECT_EQ(connect("huge.test", std::to_string(everywhere.local_port())), "success");
  EXPECT_THAT(peer(), StartsWith("127.1."));
}

TEST_F(ResolverTest, AnAnswerThatTurnsAroundIsUsedAllOver) {
  Places places({"127.0.0.2", "127.0.0.3", "127.0.0.4"});
  serve("turning A 127.0.0.2\nturning A 127.0.0.3\nturning A 127.0.0.4\n");
  start(protocol("net", dns_->address(), "", "", "\"turning.test\", \"127.0.0.0/29\""));
  std::set<std::string> peers;
  for (int round = 0; round < 100 && peers.size() < 3; ++round) {
    ASSERT_EQ(connect("turning.test", places.port()), "success");
    peers.insert(peer());
  }
  EXPECT_EQ(peers.size(), 3u);
}

struct NoAnswer {
  const char* name;
  const char* errno_name;
};

TEST_F(ResolverTest, RESOLVE_3_WhatIsNoAnswerHasItsErrno) {
  serve(
      "text TXT hello\nloop CNAME pool\npool CNAME loop\ndangling CNAME nobody\noutside CNAME a.example.\nsix AAAA "
      "::1\n");
  start(protocol("net", dns_->address()) + protocol("four", dns_->address(), "    families: [ipv4]\n"));
  const NoAnswer kCases[] = {
      {"nobody.test", "noent"},   {"text.test", "noent"},    {"loop.test", "noent"},
      {"dangling.test", "noent"}, {"outside.test", "noent"}, {"any.broken.test", "io"},
  };
  for (const auto& row : kCases) {
    EXPECT_EQ(connect(row.name, "80"), row.errno_name) << row.name;
    EXPECT_EQ(ask(std::string("resolve net ") + row.name), row.errno_name) << row.name;
    EXPECT_THAT(dns_->take_queries(), testing::Contains(std::string("AAAA ") + row.name).Times(testing::Ge(2)))
        << "that there is no answer is not remembered";
  }
  EXPECT_EQ(ask("resolve four six.test"), "noent") << "it has no address of the family";
  EXPECT_EQ(ask("resolve net six.test"), "success text=::1|");
  for (const auto& row : kCases) expect_failed_look_up(std::string(row.name) + ":80", row.errno_name);
}

TEST_F(ResolverTest, RESOLVE_3_AServerThatSaysNothingIsTimedout) {
  DnsRelay silent(0);
  start(protocol("net", silent.address(), "", ", timeout: 300ms"));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(connect("any.test", "80"), "timedout");
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::seconds(5)) << "the time-out that the policy does not say";
  EXPECT_THAT(silent.take_queries(), testing::Contains("A any.test"));
  expect_failed_look_up("any.test:80", "timedout");
}

TEST_F(ResolverTest, OfAChainOfAliasesOnlyTheAskedNameIsJudgedByName) {
  Places places({"127.0.0.2", "127.0.0.1"});
  serve(
      "alias CNAME second\nsecond CNAME third\nthird A 127.0.0.2\ninside CNAME inner\ninner A 127.0.0.1\n"
      "denied CNAME third\n");
  start(protocol("net", dns_->address(), "", "", "\"alias.test\", \"inside.test\""));
  EXPECT_EQ(connect("alias.test", places.port()), "success");
  EXPECT_EQ(peer(), "127.0.0.2:" + places.port());
  EXPECT_EQ(connect("inside.test", places.port()), "acces") << "the address at the end is judged by its class";
  EXPECT_THAT(dns_->take_sorted(), ElementsAre("A alias.test", "A inside.test", "AAAA alias.test", "AAAA inside.test"));
  for (const char* name : {"second.test", "third.test", "denied.test"})
    EXPECT_EQ(connect(name, places.port()), "acces");
  EXPECT_THAT(dns_->take_queries(), IsEmpty());
  EXPECT_TRUE(places.untouched(1));
}

}  // namespace
}  // namespace wasi_netd::test
