// What is asked of the name server, and what is not.
#include <set>

#include "tests/e2e/resolver/resolver_test.h"

namespace wasi_netd::test {
namespace {

class Asking : public ResolverTest {
 protected:
  // As ResolverTest::connect, of a protocol that has no control yet.
  std::string connect_through(const std::string& protocol, const std::string& name, const std::string& port) {
    const std::string control = ask("p= open " + protocol + " 0.0.0.0:0");
    return control.starts_with("success") ? connect(name, port, "p") : control;
  }
  Places places_{{"127.0.0.2", "127.0.0.1"}};
};

TEST_F(Asking, POLICY_2_NothingAboutANameThatNoRuleAllows) {
  serve("one A 127.0.0.2\ndenied A 127.0.0.2\n");
  start();
  for (const char* name : {"one.example", "data.in.the.name.example", "denied.test", "test"}) {
    EXPECT_EQ(connect(name, "80"), "acces") << name;
    EXPECT_EQ(ask(std::string("resolve net ") + name), "acces") << name;
  }
  EXPECT_EQ(connect("one.test", places_.port()), "success");
  EXPECT_THAT(dns_->take_sorted(), ElementsAre("A one.test", "AAAA one.test")) << "and of the others nothing";
}

TEST_F(Asking, TheNameAsItIsWhateverTheEnvironmentSays) {
  serve("one A 127.0.0.2\n");
  acme("protocols:\n" + protocol("net", dns_->address(), "", "", "\"one\", \"*.test\""));
  std::ofstream(path("aliases")) << "one one.test\n";
  Process::Start command = daemon_.command();
  command.environment = {"LOCALDOMAIN=test other.test", "RES_OPTIONS=ndots:15", "HOSTALIASES=" + path("aliases")};
  ASSERT_TRUE(daemon_.launch(std::move(command)).wait_ready());
  guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
  ASSERT_THAT(ask("c= open net 0.0.0.0:0"), StartsWith("success"));
  EXPECT_EQ(connect("one", "80"), "io") << "the server refuses what is not in its zone";
  EXPECT_EQ(connect("nobody.test", "80"), "noent");
  const auto queries = dns_->take_queries();
  const std::set<std::string> names(queries.begin(), queries.end());
  EXPECT_THAT(names, ElementsAre("A nobody.test", "A one", "AAAA nobody.test", "AAAA one"));
}

TEST_F(Asking, NothingThatThePolicyAnswersItself) {
  serve("fixed A 127.0.0.1\ninside A 127.0.0.2\n");
  start(protocol("net", dns_->address(), "", ", hosts: {fixed.test: [127.0.0.2], inside.test: [127.0.0.1]}"));
  EXPECT_EQ(connect("fixed.test", places_.port()), "success");
  EXPECT_EQ(peer(), "127.0.0.2:" + places_.port());
  EXPECT_EQ(connect("inside.test", places_.port()), "acces") << "its answers are judged like any other";
  EXPECT_EQ(ask("resolve net fixed.test"), "success text=127.0.0.2|");
  EXPECT_THAT(dns_->take_queries(), IsEmpty());
  EXPECT_TRUE(places_.untouched(1));
}

TEST_F(Asking, OnceWhileTheAnswerLivesAndThenAgain) {
  serve("one 2 A 127.0.0.2\n");
  start();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(connect("one.test", places_.port()), "success");
  EXPECT_EQ(dns_->take_queries().size(), 2u);
  knot_->serve("one 2 A 127.0.0.1\n");
  std::string answer;
  while ((answer = ask("resolve net one.test")) == "success text=127.0.0.2|") {
    ASSERT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10)) << "it is believed for too long";
  }
  EXPECT_EQ(answer, "acces") << "the new answer is judged as the first was";
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1900));
  EXPECT_THAT(dns_->take_sorted(), ElementsAre("A one.test", "AAAA one.test"));
  EXPECT_EQ(connect("one.test", places_.port()), "acces");
  EXPECT_TRUE(places_.untouched(1));
}

TEST_F(Asking, EachProtocolForItselfAndItsOwnServers) {
  serve("one 600 A 127.0.0.2\n");
  DnsRelay other(knot_->port());
  start(protocol("net", dns_->address()) + protocol("same", dns_->address()) + protocol("other", other.address()));
  for (int round = 0; round < 2; ++round) {
    for (const char* name : {"net", "same", "other"}) {
      EXPECT_EQ(connect_through(name, "one.test", places_.port()), "success") << name;
    }
  }
  EXPECT_EQ(dns_->take_queries().size(), 4u) << "no protocol is answered from another's cache";
  EXPECT_THAT(other.take_sorted(), ElementsAre("A one.test", "AAAA one.test"));
}

TEST_F(Asking, EachTenantForItself) {
  serve("one 600 A 127.0.0.2\n");
  const std::string protocols = "protocols:\n" + protocol("net", dns_->address());
  daemon_.add_tenant("bolt", protocols);
  start();
  EXPECT_EQ(connect("one.test", places_.port()), "success");
  EXPECT_EQ(dns_->take_queries().size(), 2u);
  guest_ = std::make_unique<Guest>(daemon_.socket_path("bolt"));
  ASSERT_THAT(ask("c= open net 0.0.0.0:0"), StartsWith("success"));
  EXPECT_EQ(connect("one.test", places_.port()), "success");
  EXPECT_EQ(dns_->take_queries().size(), 2u) << "what acme asked for is not known to bolt";
}

// The proxy's name is the operator's; the guest learns of its trouble as of any other of the proxy.
TEST_F(Asking, PROXY_1_TheProxysNameHasTheErrnoOfItsLookUp) {
  serve("proxy A 127.0.0.2\n");
  dns_->ignore("A mute.test");
  dns_->ignore("AAAA mute.test");
  const auto through = [this](const std::string& name, const std::string& proxy) {
    return protocol(name, dns_->address(), "    proxy: {url: \"socks5://" + proxy + ":" + places_.port() + "\"}\n",
                    ", timeout: 400ms");
  };
  start(through("net", "proxy.test") + through("missing", "nobody.test") + through("broken", "any.broken.test") +
        through("mute", "mute.test"));
  const std::string target = "127.0.0.2";
  EXPECT_EQ(connect_through("missing", target, "80"), "noent");
  EXPECT_EQ(connect_through("broken", target, "80"), "io");
  EXPECT_EQ(connect_through("mute", target, "80"), "timedout");
  EXPECT_TRUE(places_.untouched(0));
  // One that has an address is dialled, without a rule that says so.
  guest_->tell("k= connect c " + target + ":80");
  EXPECT_EQ(places_[0].accept().read(1), "\5");
}

}  // namespace
}  // namespace wasi_netd::test
