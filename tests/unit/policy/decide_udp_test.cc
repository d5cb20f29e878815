// decide() on datagrams: udp's two operations, and the same on unix. That udp's other answers are tcp's is in
// decision_table_test.cc.
#include <gmock/gmock.h>

#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using testing::expect_rows;
using testing::Loaded;
using testing::Row;

constexpr std::string_view kPeer = R"(protocols:
  game:
    transport: udp
    connect:
      allow: ["*.game.example:7000", "10.1.0.0/16:7000", "0.0.0.0/0:9000", "224.0.0.251:5353", "127.0.0.1"]
      deny: ["10.1.9.9", "bad.game.example", "93.184.216.34"]
    open:
      allow: ["0.0.0.0:7000", "127.0.0.1:0"]
    accept:
      allow: ["192.168.0.0/16:1024-65535", "0.0.0.0/0:7000", "[2001:db8::]/32"]
      deny: ["192.168.66.0/24"]
)";

TEST(DecideUdp, SendToGoesByTheRulesOfConnect) {
  const Row kRows[] = {
      {"a.game.example:7000", "", "allow *.game.example:7000"},
      {"A.Game.Example.:7000", "", "allow *.game.example:7000"},
      {"game.example:7000", "", "deny connect"},
      {"a.game.example:7001", "", "deny connect"},
      {"bad.game.example:7000", "", "deny bad.game.example"},
      {"data.attacker.example:53", "", "deny connect"},
      {"10.1.2.3:7000", "", "allow 10.1.0.0/16:7000"},
      {"[::ffff:10.1.2.3]:7000", "", "allow 10.1.0.0/16:7000"},
      {"10.1.9.9:7000", "", "deny 10.1.9.9"},
      {"[64:ff9b::10.1.9.9]:7000", "", "deny 10.1.9.9"},
      {"10.2.0.1:7000", "", "deny connect"},
      {"8.8.8.8:9000", "", "allow 0.0.0.0/0:9000"},
      {"93.184.216.34:9000", "", "deny 93.184.216.34"},
      {"8.8.8.8:9001", "", "deny connect"},
      // a wide rule is the internet, not the special blocks
      {"169.254.169.254:9000", "", "deny 0.0.0.0/0:9000"},
      {"255.255.255.255:9000", "", "deny 0.0.0.0/0:9000"},
      {"239.1.1.1:9000", "", "deny 0.0.0.0/0:9000"},
      {"0.0.0.0:9000", "", "deny 0.0.0.0/0:9000"},
      {"224.0.0.251:5353", "", "allow 224.0.0.251:5353"},
      {"224.0.0.252:5353", "", "deny connect"},
      {"127.0.0.1:1", "", "allow 127.0.0.1"},
      {"127.0.0.1:0", "", "deny connect"},
      {"a.game.example:0", "", "deny connect"},
      // what a name resolved to
      {"8.8.4.4:7000", "a.game.example", "allow *.game.example:7000"},
      {"8.8.4.4:7000", "bad.game.example", "deny bad.game.example"},
      {"8.8.4.4:7000", "other.example", "deny connect"},
      {"93.184.216.34:7000", "a.game.example", "deny 93.184.216.34"},
      {"192.168.1.1:7000", "a.game.example", "deny *.game.example:7000"},
      {"10.1.2.3:7000", "a.game.example", "allow 10.1.0.0/16:7000"},
  };
  expect_rows(Loaded(kPeer), "game", Operation::kSendTo, kRows);
  expect_rows(Loaded(kPeer), "game", Operation::kConnect, kRows);
}

TEST(DecideUdp, RecvFromGoesByTheRulesOfAccept) {
  const Row kRows[] = {
      {"192.168.1.7:40000", "", "allow 192.168.0.0/16:1024-65535"},
      {"[::ffff:192.168.1.7]:40000", "", "allow 192.168.0.0/16:1024-65535"},
      {"192.168.1.7:1023", "", "deny accept"},
      {"192.168.1.7:0", "", "deny accept"},
      {"192.168.66.7:40000", "", "deny 192.168.66.0/24"},
      {"[64:ff9b::192.168.66.7]:40000", "", "deny 192.168.66.0/24"},
      // who may send is said by addresses alone, so a wide rule means everybody in it
      {"127.0.0.1:7000", "", "allow 0.0.0.0/0:7000"},
      {"8.8.8.8:7000", "", "allow 0.0.0.0/0:7000"},
      {"8.8.8.8:7001", "", "deny accept"},
      {"[2001:db8::9]:1", "", "allow [2001:db8::]/32"},
      {"[2001:db8::9]:0", "", "deny accept"},
      {"[2606:4700::1]:7000", "", "deny accept"},
      // the rules of `connect` let nobody in
      {"10.1.2.3:7001", "", "deny accept"},
      {"a.game.example:7000", "", "deny accept"},
  };
  expect_rows(Loaded(kPeer), "game", Operation::kRecvFrom, kRows);
  expect_rows(Loaded(kPeer), "game", Operation::kAccept, kRows);
}

TEST(DecideUdp, OpenListenAndResolve) {
  const Row kOpen[] = {
      {"0.0.0.0:7000", "", "allow 0.0.0.0:7000"},
      {"0.0.0.0:7001", "", "deny open"},
      {"127.0.0.1:0", "", "allow 127.0.0.1:0"},
      {"0.0.0.0:0", "", "allow game"},
      {"[::]:0", "", "allow game"},
  };
  expect_rows(Loaded(kPeer), "game", Operation::kOpen, kOpen);
  expect_rows(Loaded(kPeer), "game", Operation::kListen, kOpen);
  const Row kResolve[] = {
      {"a.game.example", "", "allow *.game.example:7000"},
      {"exfiltrated.attacker.example", "", "deny connect"},
      {"8.8.4.4", "a.game.example", "allow *.game.example:7000"},
      {"[::1]", "a.game.example", "deny *.game.example:7000"},
  };
  expect_rows(Loaded(kPeer), "game", Operation::kResolve, kResolve);
}

constexpr std::string_view kRights = R"(protocols:
  client:
    transport: udp
    connect: {allow: ["192.0.2.1:53"]}
  server:
    transport: udp
    open: {allow: ["0.0.0.0:53"]}
    accept: {allow: ["192.0.2.1"]}
  bound:
    transport: udp
    open: {allow: ["0.0.0.0:53"]}
  mute:
    transport: udp
    rights: [open, recv_from]
    accept: {allow: ["192.0.2.1"]}
  blind:
    transport: udp
    rights: [open, send_to]
    connect: {allow: ["192.0.2.1:53"]}
  stream:
    transport: tcp
    connect: {allow: ["192.0.2.1:53"]}
    accept: {allow: ["192.0.2.1"]}
)";

TEST(DecideUdp, EachDirectionAsksForItsRight) {
  const Loaded policy(kRights);
  const struct {
    const char* protocol;
    const char* send_to;
    const char* recv_from;
  } kTable[] = {
      {"client", "allow 192.0.2.1:53", "deny client"},  // the answer is let in by having sent
      {"server", "deny server", "allow 192.0.2.1"},    {"bound", "deny bound", "deny bound"},
      {"mute", "deny rights", "allow 192.0.2.1"},      {"blind", "allow 192.0.2.1:53", "deny rights"},
      {"stream", "deny stream", "deny stream"},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(policy.ask({"", row.protocol, Operation::kSendTo, "192.0.2.1:53", ""}), row.send_to) << row.protocol;
    EXPECT_EQ(policy.ask({"", row.protocol, Operation::kRecvFrom, "192.0.2.1:53", ""}), row.recv_from) << row.protocol;
  }
  constexpr RightSet kBoth = right::net_send_to | right::net_recv_from;
  EXPECT_EQ(policy->protocol("client")->rights & kBoth, kBoth);
  EXPECT_EQ(policy->protocol("server")->rights & kBoth, right::net_recv_from);
  EXPECT_EQ(policy->protocol("bound")->rights & kBoth, 0u);
  EXPECT_EQ(policy->protocol("stream")->rights & kBoth, 0u);
}

TEST(DecideUdp, FamiliesKeepTheOtherFamilyOut) {
  const Loaded policy(R"(protocols:
  six:
    transport: udp
    families: [ipv6]
    connect: {allow: ["a.example:53"]}
    accept: {allow: ["[::]/0"]}
)");
  EXPECT_EQ(policy.ask({"", "six", Operation::kSendTo, "8.8.8.8:53", "a.example"}), "deny families");
  EXPECT_EQ(policy.ask({"", "six", Operation::kSendTo, "[2606:4700::1]:53", "a.example"}), "allow a.example:53");
  EXPECT_EQ(policy.ask({"", "six", Operation::kRecvFrom, "8.8.8.8:53", ""}), "deny families");
  EXPECT_EQ(policy.ask({"", "six", Operation::kRecvFrom, "[::1]:53", ""}), "allow [::]/0");
}

TEST(DecideUdp, AuditModeWatchesDatagramsAndKeepsTheGuard) {
  const Loaded policy("mode: audit\nprotocols:\n  bare: {transport: udp}\n");
  EXPECT_EQ(policy.ask({"", "bare", Operation::kSendTo, "8.8.8.8:53", ""}), "would_deny bare");
  EXPECT_EQ(policy.ask({"", "bare", Operation::kSendTo, "127.0.0.1:53", ""}), "deny bare");
  EXPECT_EQ(policy.ask({"", "bare", Operation::kRecvFrom, "8.8.8.8:53", ""}), "would_deny bare");
  EXPECT_EQ(policy.ask({"", "bare", Operation::kRecvFrom, "10.0.0.1:53", ""}), "deny bare");
}

TEST(DecideUdp, AnotherTransportsAddressIsDeniedAndNamed) {
  const Loaded policy(kPeer);
  for (const Operation operation : kAllOperations) {
    const Request request{"", "game", operation, UnixEndpoint{"/run/app", false}, {}};
    const Decision decision = policy->decide(request);
    EXPECT_EQ(policy.shown(decision), "deny game") << to_string(operation);
    EXPECT_THAT(decision.reason, ::testing::HasSubstr("transport is udp"));
  }
}

constexpr std::string_view kChat = R"(protocols:
  chat:
    transport: unix
    connect: {allow: ["/run/app/", "@room-*"], deny: ["@room-admin"]}
    accept: {allow: ["/run/app/", "@guest"]}
  public:
    transport: unix
    accept: {allow: ["*"]}
  everything:
    transport: unix
    connect: {allow: ["/", "@*"]}
    accept: {allow: ["*"]}
)";

TEST(DecideUnixDatagrams, PeersAreTheNamesOfTheirSockets) {
  const Row kSend[] = {
      {"/run/app/log", "", "allow /run/app/"}, {"/run/other", "", "deny connect"}, {"@room-1", "", "allow @room-*"},
      {"@room-admin", "", "deny @room-admin"}, {"@guest", "", "deny connect"},     {"", "", "deny connect"},
  };
  expect_rows(Loaded(kChat), "chat", Operation::kSendTo, kSend);
  const Row kReceive[] = {
      {"/run/app/log", "", "allow /run/app/"},
      {"@guest", "", "allow @guest"},
      {"@room-1", "", "deny accept"},
      {"", "", "deny accept"},
  };
  expect_rows(Loaded(kChat), "chat", Operation::kRecvFrom, kReceive);
  EXPECT_EQ(Loaded(kChat).ask({"", "public", Operation::kRecvFrom, "", ""}), "allow *");
  EXPECT_EQ(Loaded(kChat).ask({"", "public", Operation::kSendTo, "@guest", ""}), "deny public");
}

TEST(DecideUnixDatagrams, TheDaemonsOwnPathsAreDenied) {
  const Loaded policy(kChat);
  EXPECT_EQ(policy.ask({"", "everything", Operation::kSendTo, "/run/wasi-netd/x", ""}), "deny connect");
  EXPECT_EQ(policy.ask({"", "everything", Operation::kRecvFrom, "/run/wasi-netd/x", ""}), "deny accept");
}

}  // namespace
}  // namespace wasi_netd::policy
