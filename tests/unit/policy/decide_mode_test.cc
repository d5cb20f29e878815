// `mode: audit`, `guests:`, `peers:` and limits: what surrounds the rules.
#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using testing::expect_rows;
using testing::Loaded;
using testing::Row;

constexpr std::string_view kAudit = R"(mode: audit
protocols:
  web:
    transport: tcp
    families: [ipv4, ipv6]
    connect:
      allow: ["api.example.com:443", "10.1.0.0/16:5432", "127.0.0.0/8"]
      deny: ["10.1.9.9", "bad.example.com:443", "127.0.0.9"]
  four: {transport: tcp, families: [ipv4]}
  bare: {transport: tcp}
  narrow: {transport: tcp, rights: [open, connect]}
  chat: {transport: unix}
)";

TEST(AuditMode, WhatTheRulesRefuseWouldBeDenied) {
  const Row kRows[] = {
      {"api.example.com:443", "", "allow api.example.com:443"},
      {"other.example.com:443", "", "would_deny connect"},
      {"bad.example.com:443", "", "would_deny bad.example.com:443"},
      {"8.8.8.8:443", "", "would_deny connect"},
      {"8.8.8.8:443", "other.example.com", "would_deny connect"},
      {"10.1.9.9:5432", "", "would_deny 10.1.9.9"},
      {"127.0.0.9:1", "", "would_deny 127.0.0.9"},
  };
  expect_rows(Loaded(kAudit), "web", Operation::kConnect, kRows);
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kResolve, "other.example.com", ""}), "would_deny connect");
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kResolve, "8.8.8.8", "other.example.com"}), "would_deny connect");
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kOpen, "8.8.8.8:1", ""}), "would_deny web");
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kAccept, "8.8.8.8:1", ""}), "would_deny web");
  EXPECT_EQ(Loaded(kAudit).ask({"", "four", Operation::kConnect, "[2606:4700::1]:1", ""}), "would_deny families");
}

TEST(AuditMode, TheAddressClassGuardStaysUp) {
  const Row kRows[] = {
      {"10.2.0.1:443", "", "deny connect"},
      {"10.1.0.1:443", "", "deny connect"},
      {"169.254.169.254:80", "", "deny connect"},
      {"[::1]:80", "", "deny connect"},
      {"[64:ff9b::10.2.0.1]:80", "", "deny connect"},
      {"10.2.0.1:443", "api.example.com", "deny api.example.com:443"},
      {"10.2.0.1:443", "other.example.com", "deny connect"},
      {"10.1.9.9:443", "", "deny 10.1.9.9"},  // no allow rule for this port: the class is not open
      {"8.8.8.8:0", "", "deny connect"},
  };
  expect_rows(Loaded(kAudit), "web", Operation::kConnect, kRows);
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kOpen, "0.0.0.0:80", ""}), "deny web");
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kAccept, "127.0.0.1:80", ""}), "deny web");
  EXPECT_EQ(Loaded(kAudit).ask({"", "four", Operation::kConnect, "[::1]:1", ""}), "deny families");
  EXPECT_EQ(Loaded(kAudit).ask({"", "web", Operation::kResolve, "169.254.169.254", "api.example.com"}),
            "deny api.example.com:443");
}

TEST(AuditMode, ReservedPathsRightsAndUnknownProtocolsStayDenied) {
  const Loaded policy(kAudit);
  EXPECT_EQ(policy.ask({"", "chat", Operation::kConnect, "/run/anything", ""}), "would_deny chat");
  EXPECT_EQ(policy.ask({"", "chat", Operation::kConnect, "/run/wasi-netd/x", ""}), "deny chat");
  EXPECT_EQ(policy.ask({"", "chat", Operation::kAccept, "", ""}), "would_deny chat");
  EXPECT_EQ(policy.ask({"", "narrow", Operation::kConnect, "8.8.8.8:1", ""}), "would_deny narrow");
  EXPECT_EQ(policy.ask({"", "narrow", Operation::kListen, "8.8.8.8:1", ""}), "deny rights");
  EXPECT_EQ(policy.ask({"", "nope", Operation::kConnect, "8.8.8.8:1", ""}), "deny protocols");
}

TEST(AuditMode, AProtocolWithoutSectionsHasTheRightsToBeWatched) {
  const Loaded policy(kAudit);
  const RightSet rights = policy->protocol("bare")->rights;
  for (const RightSet right : {right::net_connect, right::net_resolve, right::net_listen, right::net_accept}) {
    EXPECT_TRUE(rights & right);
  }
  EXPECT_FALSE(policy->protocol("chat")->rights & right::net_resolve);
}

constexpr std::string_view kProtocols = R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["a.example:443"]}
  api:
    transport: tcp
    open: {allow: ["127.0.0.1:80"]}
    accept: {allow: ["127.0.0.1"]}
  chat:
    transport: unix
    connect: {allow: ["@chat"]}
)";

std::vector<std::string> names_of(const TenantPolicy::GuestView& view) {
  std::vector<std::string> names;
  for (const Protocol* protocol : view.protocols) names.push_back(protocol->name);
  return names;
}

TEST(Guests, WithoutTheSectionEveryNameGetsEverythingSorted) {
  const Loaded policy(kProtocols);
  for (const char* name : {"", "billing", "anything at all"}) {
    ASSERT_TRUE(policy->guest(name)) << name;
    EXPECT_EQ(names_of(*policy->guest(name)), (std::vector<std::string>{"api", "chat", "web"}));
  }
}

TEST(Guests, WithTheSectionOthersAndTheUnnamedAreRefused) {
  const Loaded policy(std::string(kProtocols) +
                      "guests:\n  billing: {protocols: [web, chat], limits: {connections: 10}}\n  all: {}\n"
                      "limits: {connections: 500, handles: 70, per_session: {connections: 20}}\n");
  EXPECT_FALSE(policy->guest(""));
  EXPECT_FALSE(policy->guest("Billing"));
  ASSERT_TRUE(policy->guest("billing"));
  EXPECT_EQ(names_of(*policy->guest("billing")), (std::vector<std::string>{"chat", "web"}));
  EXPECT_EQ(names_of(*policy->guest("all")), (std::vector<std::string>{"api", "chat", "web"}));
  EXPECT_EQ(policy->guest("billing")->limits.connections, 10u);
  EXPECT_EQ(policy->guest("all")->limits.connections, 20u);
  EXPECT_EQ(policy->guest("all")->limits.handles, 70u);

  EXPECT_EQ(policy.ask({"billing", "web", Operation::kConnect, "a.example:443", ""}), "allow a.example:443");
  EXPECT_EQ(policy.ask({"all", "api", Operation::kOpen, "127.0.0.1:80", ""}), "allow 127.0.0.1:80");
  EXPECT_EQ(policy.ask({"billing", "api", Operation::kOpen, "127.0.0.1:80", ""}), "deny billing");
  EXPECT_EQ(policy.ask({"billing", "nope", Operation::kOpen, "127.0.0.1:80", ""}), "deny billing");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "a.example:443", ""}), "deny guests");
  EXPECT_EQ(policy.ask({"stranger", "web", Operation::kConnect, "a.example:443", ""}), "deny guests");
}

TEST(Peers, AnyEntryWithAllItsKeysMatches) {
  const LoadResult result =
      load_text("version: 1\ntenant: t\npeers: [{user: wasmhost}, {user: 1000, group: 1001}, {group: 7}]\n" +
                    std::string(kProtocols),
                "dir/t.yaml", {}, testing::kAccounts);
  ASSERT_TRUE(result.policy);
  EXPECT_TRUE(result.policy->peer_allowed(990, 1));
  EXPECT_TRUE(result.policy->peer_allowed(1000, 1001));
  EXPECT_TRUE(result.policy->peer_allowed(5, 7));
  EXPECT_FALSE(result.policy->peer_allowed(1000, 1002));
  EXPECT_FALSE(result.policy->peer_allowed(1001, 1001));
  EXPECT_FALSE(result.policy->peer_allowed(0, 0));
  EXPECT_EQ(result.policy->file(), "dir/t.yaml");
  EXPECT_EQ(result.policy->tenant(), "t");
}

TEST(LoadedValues, LimitsAndTheirNarrowing) {
  const Loaded policy(std::string(kProtocols) +
                      "limits: {sessions: 100, handles: 1000, connections: 500, buffers: 64MiB, host_connections: 8,\n"
                      "         per_session: {handles: 50, buffers: 256KiB}}\n");
  EXPECT_EQ(policy->limits().sessions, 100u);
  EXPECT_EQ(policy->limits().handles, 1000u);
  EXPECT_EQ(policy->limits().connections, 500u);
  EXPECT_EQ(policy->limits().buffers, 64u << 20);
  EXPECT_EQ(policy->limits().host_connections, 8u);
  EXPECT_EQ(policy->session_limits().handles, 50u);
  EXPECT_EQ(policy->session_limits().buffers, 256u << 10);
  EXPECT_EQ(policy->session_limits().connections, 500u) << "silent: the tenant's";
  const Loaded unlimited(kProtocols);
  EXPECT_FALSE(unlimited->limits().sessions);
  EXPECT_FALSE(unlimited->session_limits().handles);
}

TEST(LoadedValues, Resolver) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect: {allow: ["*.example:443", "127.0.0.1"]}
    resolver:
      servers: ["10.0.0.53", "127.0.0.1:5353", "::1", "[2001:db8::53]:54"]
      timeout: 1500ms
      hosts: {Api.Example: [127.0.0.1, "8.8.8.8"]}
  default:
    transport: tcp
    connect: {allow: ["*.example:443"]}
)");
  const Protocol::Resolver& resolver = policy->protocol("web")->resolver;
  std::vector<std::string> servers;
  for (const IpEndpoint& server : resolver.servers) servers.push_back(to_string(Endpoint(server)));
  EXPECT_EQ(servers, (std::vector<std::string>{"10.0.0.53:53", "127.0.0.1:5353", "[::1]:53", "[2001:db8::53]:54"}));
  EXPECT_EQ(resolver.timeout, std::chrono::milliseconds(1500));
  ASSERT_TRUE(resolver.hosts.contains("api.example"));
  EXPECT_EQ(resolver.hosts.at("api.example").size(), 2u);
  EXPECT_EQ(policy->protocol("default")->resolver.timeout, std::chrono::seconds(5));
  EXPECT_TRUE(policy->protocol("default")->resolver.servers.empty());
}

TEST(LoadedValues, RightsAreWhatTheSectionsImplyUnlessTheFileSaysLess) {
  const Loaded policy(std::string(kProtocols) +
                      "  least:\n    transport: tcp\n    rights: [open, connect, stream_create, write]\n"
                      "    connect: {allow: [\"a.example\"]}\n");
  constexpr RightSet kEndpoint = right::net_open | right::net_stream_create | right::net_stream_accept |
                                 right::fd_read | right::fd_write | right::sock_shutdown | right::poll_fd_readwrite |
                                 right::fd_fdstat_set_flags | right::fd_filestat_get;
  constexpr RightSet kServer = right::net_listen | right::net_accept | right::sock_accept;
  EXPECT_EQ(policy->protocol("web")->rights, kEndpoint | right::net_connect | right::net_resolve);
  EXPECT_EQ(policy->protocol("api")->rights, kEndpoint | kServer);
  EXPECT_EQ(policy->protocol("chat")->rights,
            kEndpoint | right::net_connect | right::net_send_to | right::net_recv_from);
  EXPECT_EQ(policy->protocol("least")->rights,
            right::net_open | right::net_connect | right::net_stream_create | right::fd_write);
  EXPECT_EQ(policy->protocol("least")->where.line, 15);
  EXPECT_EQ(policy->protocol("nope"), nullptr);
}

}  // namespace
}  // namespace wasi_netd::policy
