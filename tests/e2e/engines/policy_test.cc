// What the policy allows, and when it changes its mind: POLICY, RESOLVE and REVOKE rows.
#include <grpcpp/grpcpp.h>

#include "tests/e2e/engines/own_network.h"
#include "tests/e2e/engines/revoking_daemon.h"
#include "tests/e2e/engines/semantics_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::test {
namespace {

// Each test asks its own name server, which the policy names.
class NameTest : public testing::Test {
 protected:
  void start() {
    daemon_.add_tenant("acme",
                       "protocols:\n"
                       "  web:\n"
                       "    transport: tcp\n"
                       "    families: [ipv4]\n"  // one query for each name
                       "    connect: {allow: [\"allowed.example:443\"], deny: [\"secret.allowed.example:443\"]}\n"
                       "    resolver: {servers: [\"127.0.0.1:" +
                           std::to_string(dns_.port()) + "\"]}\n");
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
    guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
    ASSERT_THAT(guest_->ask("c= open web 0.0.0.0:0"), StartsWith("success"));
  }
  // Answers what the guest's command asks.
  std::string ask_resolving(const std::string& command, const std::string& address, uint32_t ttl) {
    guest_->tell(command);
    const ScriptedDns::Query query = dns_.receive();
    dns_.answer(query, 0, {ScriptedDns::a_record(address, ttl)});
    return guest_->answer();
  }

  ScriptedDns dns_;
  DaemonProcess daemon_;
  std::unique_ptr<Guest> guest_;
};

TEST_F(NameTest, POLICY_2_ANameThatIsDeniedIsNotAskedFor) {
  start();
  for (const char* name : {"secret.allowed.example", "other.example", "data.in.name.other.example", "localhost"}) {
    EXPECT_EQ(guest_->ask(std::string("connect c ") + name + ":443"), "acces") << name;
    EXPECT_EQ(guest_->ask(std::string("resolve web ") + name), "acces") << name;
  }
  EXPECT_EQ(guest_->ask("connect c allowed.example:80"), "acces");
  // The first query that comes is for the name that is allowed.
  guest_->tell("resolve web allowed.example");
  EXPECT_THAT(dns_.receive().bytes, HasSubstr("\7allowed\7example"));
}

TEST_F(NameTest, RESOLVE_1_AnAnswerCountsAsItsNameInItsSession) {
  if (const std::string reason = enter_own_network(); !reason.empty()) GTEST_SKIP() << reason;
  dns_ = ScriptedDns();
  start();
  EXPECT_EQ(guest_->ask("connect c 8.8.8.8:443"), "acces");
  EXPECT_EQ(ask_resolving("resolve web allowed.example", "8.8.8.8", 600), "success text=8.8.8.8|");
  // Allowed, and this network leads nowhere.
  EXPECT_EQ(guest_->ask("connect c 8.8.8.8:443"), "netunreach");
  EXPECT_EQ(guest_->ask("connect c 8.8.8.8:80"), "acces") << "the name's rule has one port";
  EXPECT_EQ(guest_->ask("connect c 8.8.4.4:443"), "acces");

  Guest other(daemon_.socket_path("acme"));
  other.ask("c= open web 0.0.0.0:0");
  EXPECT_EQ(other.ask("connect c 8.8.8.8:443"), "acces");
}

TEST_F(NameTest, RESOLVE_1_AnAnswerThatHasRunOutCountsNoMore) {
  if (const std::string reason = enter_own_network(); !reason.empty()) GTEST_SKIP() << reason;
  dns_ = ScriptedDns();
  start();
  EXPECT_EQ(ask_resolving("resolve web allowed.example", "8.8.8.8", 1), "success text=8.8.8.8|");
  std::string answer;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  do {
    EXPECT_EQ(guest_->ask("poll 50"), "success n=1 [1000000:clock success]");
    answer = guest_->ask("connect c 8.8.8.8:443");
  } while (answer == "netunreach" && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(answer, "acces");
}

class RevokeTest : public SemanticsTest {};

TEST_F(RevokeTest, REVOKE_1_WhatIsTakenAwayIsNotCapable) {
  RevokingDaemon daemon;
  Guest guest(daemon.socket());
  guest.ask("c= open web 127.0.0.1:0");
  guest.ask("k= connect c 127.0.0.1:1");
  guest.ask("s= create k");
  // The first bytes are read, the next wait in the shim when the stream is taken away.
  EXPECT_EQ(guest.ask("recv s 5 waitall"), "success n=5 data=first");
  EXPECT_THAT(guest.ask("poll - s:r"), HasSubstr("r success nbytes=4"));
  daemon.revoke_stream();
  std::string answer;
  while ((answer = guest.ask("recv s 4 peek")) == "success n=4 data=next") {
  }
  EXPECT_EQ(answer, "notcapable");
  EXPECT_EQ(guest.ask("read s 1"), "notcapable") << "later calls";
  EXPECT_EQ(guest.ask("write s x"), "notcapable");
  EXPECT_THAT(guest.ask("poll - s:r"), HasSubstr("r notcapable"));
  EXPECT_EQ(guest.ask("close s"), "success");
  EXPECT_EQ(guest.ask("close s"), "badf");
}

TEST_F(RevokeTest, REVOKE_1_APendingCallEnds) {
  RevokingDaemon daemon;
  Guest guest(daemon.socket());
  guest.ask("c= open web 127.0.0.1:0");
  guest.ask("k= connect c 127.0.0.1:1");
  guest.ask("s= create k");
  EXPECT_EQ(guest.ask("recv s 9 waitall"), "success n=9 data=firstnext");
  guest.tell("read s 1");
  ASSERT_TRUE(guest.waits());
  daemon.revoke_stream();
  EXPECT_EQ(guest.answer(), "notcapable");
  EXPECT_EQ(guest.ask("close s"), "success");
}

TEST_F(RevokeTest, REVOKE_1_ThisVersionOfTheDaemonTakesNothingAwayWhileItRuns) {
  NativeSocket peer = connect_guest();
  daemon_->add_tenant("acme");  // a policy that allows nothing of what exists
  daemon_->process().kill(SIGHUP);
  ASSERT_TRUE(daemon_->process().wait_stderr("cannot reload"));
  peer.write_all("still here");
  EXPECT_EQ(ask("recv s 10 waitall"), "success n=10 data=still\\x20here");
}

}  // namespace
}  // namespace wasi_netd::test
