// Happy eyeballs (RFC 8305): neither a family that is not there nor a query that is not answered keeps a guest.
#include "tests/e2e/resolver/resolver_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::test {
namespace {

using std::chrono::milliseconds;

class FamiliesTest : public ResolverTest {
 protected:
  // How long a connect took, which must succeed.
  milliseconds time_of(const std::string& name, const std::string& port, const std::string& control = "c") {
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(connect(name, port, control), "success") << name;
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - before);
  }
  // Far from the resolver's time-out, however busy the machine.
  static constexpr milliseconds kSoon{3000};
  static constexpr const char* kPatient = ", timeout: 60s";
};

TEST_F(FamiliesTest, Ipv6IsTriedFirstAndIpv4WhenItRefuses) {
  serve("both A 127.0.0.2\nboth AAAA ::1\n");
  start();
  Places two({"127.0.0.2", "::1"}), four({"127.0.0.2"});
  EXPECT_EQ(connect("both.test", two.port()), "success");
  EXPECT_EQ(peer(), "[::1]:" + two.port());
  EXPECT_TRUE(two.untouched(0));
  EXPECT_EQ(connect("both.test", four.port()), "success");
  EXPECT_EQ(peer(), "127.0.0.2:" + four.port());
}

TEST_F(FamiliesTest, AQueryThatIsNotAnsweredDoesNotHoldUpTheOtherFamily) {
  serve("lame A 127.0.0.2\nlame AAAA ::1\nodd A 127.0.0.2\nodd AAAA ::1\n");
  dns_->ignore("AAAA lame.test");
  dns_->ignore("A odd.test");
  start(protocol("net", dns_->address(), "", kPatient));
  Places places({"127.0.0.2", "::1"});
  const auto lame = time_of("lame.test", places.port());
  EXPECT_EQ(peer(), "127.0.0.2:" + places.port());
  EXPECT_GE(lame, milliseconds(50)) << "IPv6 has its resolution delay";
  EXPECT_LT(lame, kSoon);
  EXPECT_LT(time_of("odd.test", places.port()), kSoon);
  EXPECT_EQ(peer(), "[::1]:" + places.port());
  // Again, with the first look-up still under way: nothing more is asked, and nobody waits for a second delay.
  dns_->take_queries();
  EXPECT_LT(time_of("lame.test", places.port()), kSoon);
}

TEST_F(FamiliesTest, AnEarlyAnswerIsRecordedWithWhatWasDialled) {
  serve("lame A 127.0.0.2\nlame A 127.0.0.1\n");
  dns_->ignore("AAAA lame.test");
  start(protocol("net", dns_->address(), "", kPatient));
  Places places({"127.0.0.2", "127.0.0.1"});
  EXPECT_LT(time_of("lame.test", places.port()), kSoon);
  EXPECT_TRUE(places.untouched(1));
  const auto records = decisions("lame.test:" + places.port());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_THAT(records[0], HasSubstr("\"resolved\":[\"127.0.0.2:" + places.port() + "\"],\"verdict\":\"allow\""));
}

TEST_F(FamiliesTest, RESOLVE_2_WhatComesLaterIsJudgedRecordedAndTriedToo) {
  ScriptedDns dns;
  start(protocol("net", "127.0.0.1:" + std::to_string(dns.port()), "", kPatient));
  Places places({"127.0.0.2", "127.0.0.1", "::1"});
  places[2].shutdown_read();  // it refuses, and nobody else has the port
  guest_->tell("k= connect c late.test:" + places.port());
  ScriptedDns::Query first = dns.receive(), second = dns.receive();  // the preferred family's comes first
  dns.answer(first, 0, {ScriptedDns::aaaa_record("::1", 0)});
  ASSERT_TRUE(daemon_.process().wait_stdout("\"resolved\":[\"[::1]:" + places.port() + "\"]"));
  dns.answer(second, 0, {ScriptedDns::a_record("127.0.0.1", 0), ScriptedDns::a_record("127.0.0.2", 0)});
  EXPECT_THAT(guest_->answer(), StartsWith("success"));
  EXPECT_EQ(peer(), "127.0.0.2:" + places.port());
  EXPECT_TRUE(places.untouched(1));
  EXPECT_FALSE(dns.has_query());
  const auto records = decisions("late.test:" + places.port());
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[1], HasSubstr("\"resolved\":[\"127.0.0.2:" + places.port() + "\"],\"verdict\":\"allow\""));
}

TEST_F(FamiliesTest, AnEarlyAnswerThatIsNotPermittedWaitsForTheOtherFamily) {
  serve("lame A 127.0.0.1\n");
  dns_->ignore("AAAA lame.test");
  start(protocol("net", dns_->address(), "", ", timeout: 500ms"));
  Places places({"127.0.0.1"});
  EXPECT_EQ(connect("lame.test", places.port()), "acces");
  EXPECT_TRUE(places.untouched(0));
  EXPECT_EQ(decisions("lame.test:" + places.port()).size(), 1u);
}

TEST_F(FamiliesTest, ResolveGivesWhatThereIsWhenTheTimeIsUp) {
  serve("lame A 127.0.0.2\n");
  dns_->ignore("AAAA lame.test");
  start(protocol("net", dns_->address(), "", ", timeout: 500ms"));
  EXPECT_EQ(ask("resolve net lame.test"), "success text=127.0.0.2|");
}

TEST_F(FamiliesTest, AnEarlyAddressThatFailsWaitsForTheRest) {
  serve("lame A 127.0.0.2\n");
  dns_->ignore("AAAA lame.test");
  start(protocol("net", dns_->address(), "", ", timeout: 1s"));
  const NativeSocket nobody = native_bind(native_ip("127.0.0.2", 0));
  EXPECT_EQ(connect("lame.test", std::to_string(nobody.local_port())), "connrefused");
}

TEST_F(FamiliesTest, ABoundAddressWaitsForItsOwnFamilyOnly) {
  serve("lame A 127.0.0.2\nlame AAAA ::1\n");
  dns_->ignore("AAAA lame.test");
  start(protocol("net", dns_->address(), "    open: {allow: [\"127.0.0.2:0\"]}\n", kPatient));
  Places places({"127.0.0.2", "::1"});
  ASSERT_THAT(ask("b= open net 127.0.0.2:0"), StartsWith("success"));
  EXPECT_LT(time_of("lame.test", places.port(), "b"), kSoon);
  EXPECT_EQ(peer(), "127.0.0.2:" + places.port());
}

TEST_F(FamiliesTest, ANameThroughAProxyIsNotHeldUpEither) {
  serve("lame A 127.0.0.2\n");
  dns_->ignore("AAAA lame.test");
  Places proxy({"127.0.0.1"});
  start(protocol("net", dns_->address(), "    proxy: {url: \"socks5://127.0.0.1:" + proxy.port() + "\"}\n", kPatient));
  guest_->tell("k= connect c lame.test:80");
  NativeSocket peer = proxy[0].accept();
  EXPECT_EQ(peer.read(3), std::string("\5\1\0", 3));
  peer.write_all(std::string("\5\0", 2));
  EXPECT_EQ(peer.read(10), std::string("\5\1\0\1\x7f\0\0\2\0\x50", 10)) << "the judged address, port 80";
}

TEST_F(FamiliesTest, AProxysNameIsNotHeldUpEither) {
  serve("lame A 127.0.0.2\n");
  dns_->ignore("AAAA lame.test");
  Places places({"127.0.0.2"});
  start(protocol("net", dns_->address(), "    proxy: {url: \"socks5://lame.test:" + places.port() + "\"}\n", kPatient));
  guest_->tell("k= connect c 127.0.0.2:80");
  EXPECT_EQ(places[0].accept().read(1), "\5");  // within a native call's patience of 10 s
}

}  // namespace
}  // namespace wasi_netd::test
