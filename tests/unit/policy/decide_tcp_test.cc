// decide() on tcp: one table per operation, each row a question and the rule that must answer it.
#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using testing::expect_rows;
using testing::Loaded;
using testing::Row;

constexpr std::string_view kClient = R"(protocols:
  web:
    transport: tcp
    connect:
      allow:
        - "api.example.com:443"
        - "*.cdn.example.com:80,443"
        - "10.1.0.0/16:5432"
        - "[2001:db8::]/32:1-1023"
        - "0.0.0.0/0:8443"
        - "127.0.0.1"
        - "*.example.net"
        - "10.1.2.0/24:5432,9000-9010"
        - "db.example.com:5432"
        - "[64:ff9b::]/96:853"
      deny:
        - "10.1.9.9"
        - "evil.cdn.example.com:443"
        - "*.bad.example.net"
        - "198.51.0.0/16"
        - "93.184.216.34:8443"
)";

TEST(DecideTcp, ConnectByName) {
  const Row kRows[] = {
      {"api.example.com:443", "", "allow api.example.com:443"},
      {"API.Example.COM.:443", "", "allow api.example.com:443"},
      {"api.example.com:80", "", "deny connect"},
      {"example.com:443", "", "deny connect"},
      {"xapi.example.com:443", "", "deny connect"},
      {"a.api.example.com:443", "", "deny connect"},
      {"x.cdn.example.com:443", "", "allow *.cdn.example.com:80,443"},
      {"x.y.z.cdn.example.com:80", "", "allow *.cdn.example.com:80,443"},
      {"cdn.example.com:443", "", "deny connect"},
      {"xcdn.example.com:443", "", "deny connect"},
      {"x.cdn.example.com:8080", "", "deny connect"},
      {"x.cdn.example.com.evil.org:443", "", "deny connect"},
      {"evil.cdn.example.com:443", "", "deny evil.cdn.example.com:443"},
      {"evil.cdn.example.com:80", "", "allow *.cdn.example.com:80,443"},
      {"sub.evil.cdn.example.com:443", "", "allow *.cdn.example.com:80,443"},
      {"a.example.net:1", "", "allow *.example.net"},
      {"a.example.net:65535", "", "allow *.example.net"},
      {"a.bad.example.net:1", "", "deny *.bad.example.net"},
      {"bad.example.net:1", "", "allow *.example.net"},
      {"a.example.net:0", "", "deny connect"},
      {"localhost:8443", "", "deny connect"},
  };
  expect_rows(Loaded(kClient), "web", Operation::kConnect, kRows);
}

TEST(DecideTcp, ConnectToAnAddress) {
  const Row kRows[] = {
      {"10.1.3.4:5432", "", "allow 10.1.0.0/16:5432"},
      {"10.1.2.4:5432", "", "allow 10.1.2.0/24:5432,9000-9010"},
      {"10.1.2.4:9005", "", "allow 10.1.2.0/24:5432,9000-9010"},
      {"10.1.2.4:9011", "", "deny connect"},
      {"10.1.9.9:5432", "", "deny 10.1.9.9"},
      {"10.1.9.9:1", "", "deny 10.1.9.9"},
      {"10.2.0.1:5432", "", "deny connect"},
      {"10.1.0.1:5433", "", "deny connect"},
      {"10.1.0.1:0", "", "deny connect"},
      {"[2001:db8::1]:1", "", "allow [2001:db8::]/32:1-1023"},
      {"[2001:db8:ffff::1]:1023", "", "allow [2001:db8::]/32:1-1023"},
      {"[2001:db8::1]:1024", "", "deny connect"},
      {"[2001:db9::1]:1", "", "deny connect"},
      {"127.0.0.1:22", "", "allow 127.0.0.1"},
      {"127.0.0.2:22", "", "deny connect"},
      {"[::ffff:127.0.0.1]:22", "", "allow 127.0.0.1"},
      // a rule wider than a special block does not open the block
      {"8.8.8.8:8443", "", "allow 0.0.0.0/0:8443"},
      {"10.2.0.1:8443", "", "deny 0.0.0.0/0:8443"},
      {"169.254.169.254:8443", "", "deny 0.0.0.0/0:8443"},
      {"127.0.0.2:8443", "", "deny 0.0.0.0/0:8443"},
      {"127.0.0.1:8443", "", "allow 127.0.0.1"},
      {"0.0.0.0:8443", "", "deny 0.0.0.0/0:8443"},
      {"255.255.255.255:8443", "", "deny 0.0.0.0/0:8443"},
      {"93.184.216.34:8443", "", "deny 93.184.216.34:8443"},
      {"198.51.7.7:8443", "", "deny 198.51.0.0/16"},
      // NAT64: the inside decides
      {"[64:ff9b::8.8.8.8]:853", "", "allow [64:ff9b::]/96:853"},
      {"[64:ff9b::10.0.0.1]:853", "", "deny [64:ff9b::]/96:853"},
      {"[64:ff9b::127.0.0.1]:853", "", "deny [64:ff9b::]/96:853"},
      {"[64:ff9b::198.51.7.7]:853", "", "deny 198.51.0.0/16"},
      {"[64:ff9b::8.8.8.8]:8443", "", "deny connect"},
  };
  expect_rows(Loaded(kClient), "web", Operation::kConnect, kRows);
}

TEST(DecideTcp, ConnectToWhatANameResolvedTo) {
  const Row kRows[] = {
      {"93.184.216.34:443", "api.example.com", "allow api.example.com:443"},
      {"[2606:4700::1]:443", "api.example.com", "allow api.example.com:443"},
      {"[64:ff9b::8.8.8.8]:443", "api.example.com", "allow api.example.com:443"},
      {"93.184.216.34:80", "api.example.com", "deny connect"},
      {"93.184.216.34:443", "other.example.com", "deny connect"},
      {"93.184.216.34:443", "evil.cdn.example.com", "deny evil.cdn.example.com:443"},
      {"198.51.7.7:443", "api.example.com", "deny 198.51.0.0/16"},
      {"198.51.100.7:443", "api.example.com", "deny 198.51.0.0/16"},
      // a name reaches public addresses only
      {"10.1.2.3:443", "api.example.com", "deny api.example.com:443"},
      {"127.0.0.2:443", "api.example.com", "deny api.example.com:443"},
      {"[::1]:443", "api.example.com", "deny api.example.com:443"},
      {"169.254.169.254:443", "api.example.com", "deny api.example.com:443"},
      {"[fd00::1]:443", "api.example.com", "deny api.example.com:443"},
      {"[64:ff9b::10.0.0.1]:443", "api.example.com", "deny api.example.com:443"},
      {"[2002:a00:1::]:443", "api.example.com", "deny api.example.com:443"},
      {"0.0.0.0:443", "api.example.com", "deny api.example.com:443"},
      // unless an address rule reaches there as well
      {"127.0.0.1:443", "api.example.com", "allow 127.0.0.1"},
      {"10.1.3.4:5432", "db.example.com", "allow 10.1.0.0/16:5432"},
      {"10.1.9.9:5432", "db.example.com", "deny 10.1.9.9"},
      {"10.2.3.4:5432", "db.example.com", "deny db.example.com:5432"},
      // an address that is allowed by itself stays so, whatever name led there
      {"10.1.3.4:5432", "api.example.com", "allow 10.1.0.0/16:5432"},
      {"8.8.8.8:8443", "a.bad.example.net", "deny *.bad.example.net"},
  };
  expect_rows(Loaded(kClient), "web", Operation::kConnect, kRows);
}

TEST(DecideTcp, Resolve) {
  const Row kRows[] = {
      {"api.example.com", "", "allow api.example.com:443"},
      {"API.example.com.", "", "allow api.example.com:443"},
      {"example.com", "", "deny connect"},
      {"cdn.example.com", "", "deny connect"},
      {"a.cdn.example.com", "", "allow *.cdn.example.com:80,443"},
      {"evil.cdn.example.com", "", "allow *.cdn.example.com:80,443"},  // port 80 is left
      {"a.bad.example.net", "", "deny *.bad.example.net"},
      {"a.example.net", "", "allow *.example.net"},
      {"exfiltrated-data.evil.org", "", "deny connect"},
      // and each address, on some port
      {"93.184.216.34", "api.example.com", "allow api.example.com:443"},
      {"[2606:4700::1]", "api.example.com", "allow api.example.com:443"},
      {"2606:4700::1", "api.example.com", "allow api.example.com:443"},
      {"198.51.7.7", "api.example.com", "deny 198.51.0.0/16"},
      {"10.2.0.1", "a.cdn.example.com", "deny *.cdn.example.com:80,443"},
      {"10.1.2.3", "api.example.com", "allow 10.1.2.0/24:5432,9000-9010"},
      {"10.1.9.9", "db.example.com", "deny 10.1.9.9"},
      {"127.0.0.1", "api.example.com", "allow 127.0.0.1"},
      {"[::1]", "api.example.com", "deny api.example.com:443"},
      {"169.254.169.254", "api.example.com", "deny api.example.com:443"},
  };
  expect_rows(Loaded(kClient), "web", Operation::kResolve, kRows);
}

TEST(DecideTcp, ResolveFindsThePortThatDeniesLeave) {
  const Loaded policy(R"(protocols:
  web:
    transport: tcp
    connect:
      allow: ["a.example:1-100", "b.example:1-65535"]
      deny: ["a.example:1-50", "a.example:60-99", "b.example:1-30000", "b.example:30002-65535"]
)");
  EXPECT_EQ(policy.ask({"", "web", Operation::kResolve, "a.example", ""}), "allow a.example:1-100");
  EXPECT_EQ(policy.ask({"", "web", Operation::kResolve, "b.example", ""}), "allow b.example:1-65535");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "b.example:30001", ""}), "allow b.example:1-65535");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "b.example:30002", ""}), "deny b.example:30002-65535");
}

constexpr std::string_view kServer = R"(protocols:
  api:
    transport: tcp
    open:
      allow: ["[::]:8080", "0.0.0.0:8080", "127.0.0.1:0,9000-9009", "[::1]", "192.168.0.0/16:80"]
      deny: ["192.168.1.1"]
    accept:
      allow: ["192.0.2.0/24", "0.0.0.0/0:1024-65535", "[2001:db8::]/32", "127.0.0.0/8"]
      deny: ["192.0.2.66", "127.0.0.13"]
)";

TEST(DecideTcp, Open) {
  const Row kRows[] = {
      {"[::]:8080", "", "allow [::]:8080"},
      {"0.0.0.0:8080", "", "allow 0.0.0.0:8080"},
      {"[::ffff:0.0.0.0]:8080", "", "allow 0.0.0.0:8080"},
      {"0.0.0.0:8081", "", "deny open"},
      {"127.0.0.1:0", "", "allow 127.0.0.1:0,9000-9009"},
      {"127.0.0.1:9009", "", "allow 127.0.0.1:0,9000-9009"},
      {"127.0.0.1:9010", "", "deny open"},
      {"127.0.0.2:9000", "", "deny open"},
      {"[::1]:0", "", "allow [::1]"},
      {"[::1]:65535", "", "allow [::1]"},
      {"192.168.3.3:80", "", "allow 192.168.0.0/16:80"},
      {"192.168.1.1:80", "", "deny 192.168.1.1"},
      {"8.8.8.8:80", "", "deny open"},
      // any address with port 0 asks only the right
      {"0.0.0.0:0", "", "allow api"},
      {"[::]:0", "", "allow api"},
      {"host.example:80", "", "deny open"},
  };
  expect_rows(Loaded(kServer), "api", Operation::kOpen, kRows);
  expect_rows(Loaded(kServer), "api", Operation::kListen, kRows);
}

TEST(DecideTcp, Accept) {
  const Row kRows[] = {
      {"192.0.2.1:1", "", "allow 192.0.2.0/24"},
      {"192.0.2.255:65535", "", "allow 192.0.2.0/24"},
      {"[::ffff:192.0.2.1]:5", "", "allow 192.0.2.0/24"},
      {"192.0.2.66:5", "", "deny 192.0.2.66"},
      {"[64:ff9b::192.0.2.66]:5", "", "deny 192.0.2.66"},
      {"192.0.3.1:1023", "", "deny accept"},
      {"192.0.3.1:1024", "", "allow 0.0.0.0/0:1024-65535"},
      // who may come in is said by addresses alone, so a wide rule means everybody in it
      {"10.0.0.1:40000", "", "allow 0.0.0.0/0:1024-65535"},
      {"127.0.0.1:40000", "", "allow 127.0.0.0/8"},
      {"127.0.0.13:40000", "", "deny 127.0.0.13"},
      {"[2001:db8::9]:40000", "", "allow [2001:db8::]/32"},
      {"[2606:4700::1]:40000", "", "deny accept"},
      {"[::1]:40000", "", "deny accept"},
      {"peer.example:40000", "", "deny accept"},
  };
  expect_rows(Loaded(kServer), "api", Operation::kAccept, kRows);
}

TEST(DecideTcp, AnOperationWithoutItsRightIsDeniedAtTheRights) {
  const Loaded policy(R"(protocols:
  client:
    transport: tcp
    connect: {allow: ["a.example:1"]}
  server:
    transport: tcp
    open: {allow: ["127.0.0.1:1"]}
    accept: {allow: ["127.0.0.1"]}
  narrow:
    transport: tcp
    rights: [open, connect, read]
    connect: {allow: ["a.example:1"]}
)");
  EXPECT_EQ(policy.ask({"", "client", Operation::kListen, "127.0.0.1:1", ""}), "deny client");
  EXPECT_EQ(policy.ask({"", "client", Operation::kAccept, "127.0.0.1:1", ""}), "deny client");
  EXPECT_EQ(policy.ask({"", "client", Operation::kListen, "[::]:0", ""}), "deny client");
  EXPECT_EQ(policy.ask({"", "client", Operation::kOpen, "[::]:0", ""}), "allow client");
  EXPECT_EQ(policy.ask({"", "client", Operation::kOpen, "127.0.0.1:1", ""}), "deny client");
  EXPECT_EQ(policy.ask({"", "server", Operation::kConnect, "a.example:1", ""}), "deny server");
  EXPECT_EQ(policy.ask({"", "server", Operation::kResolve, "a.example", ""}), "deny server");
  EXPECT_EQ(policy.ask({"", "server", Operation::kListen, "127.0.0.1:1", ""}), "allow 127.0.0.1:1");
  EXPECT_EQ(policy.ask({"", "narrow", Operation::kConnect, "a.example:1", ""}), "allow a.example:1");
  EXPECT_EQ(policy.ask({"", "narrow", Operation::kResolve, "a.example", ""}), "deny rights");
}

TEST(DecideTcp, FamiliesKeepTheOtherFamilyOut) {
  const Loaded policy(R"(protocols:
  four:
    transport: tcp
    families: [ipv4]
    connect: {allow: ["a.example:443", "10.0.0.0/8"]}
    open: {allow: ["127.0.0.1:1"]}
  six:
    transport: tcp
    families: [ipv6]
    connect: {allow: ["a.example:443", "[::1]"]}
)");
  EXPECT_EQ(policy.ask({"", "four", Operation::kConnect, "8.8.8.8:443", "a.example"}), "allow a.example:443");
  EXPECT_EQ(policy.ask({"", "four", Operation::kConnect, "[2606:4700::1]:443", "a.example"}), "deny families");
  EXPECT_EQ(policy.ask({"", "four", Operation::kConnect, "[2606:4700::1]:443", ""}), "deny families");
  EXPECT_EQ(policy.ask({"", "four", Operation::kOpen, "[::]:0", ""}), "deny families");
  EXPECT_EQ(policy.ask({"", "four", Operation::kOpen, "0.0.0.0:0", ""}), "allow four");
  EXPECT_EQ(policy.ask({"", "four", Operation::kResolve, "2606:4700::1", "a.example"}), "deny families");
  EXPECT_EQ(policy.ask({"", "six", Operation::kConnect, "[2606:4700::1]:443", "a.example"}), "allow a.example:443");
  EXPECT_EQ(policy.ask({"", "six", Operation::kConnect, "8.8.8.8:443", "a.example"}), "deny families");
  EXPECT_EQ(policy.ask({"", "six", Operation::kConnect, "[::1]:9", ""}), "allow [::1]");
}

TEST(DecideTcp, AnotherTransportsAddressIsDenied) {
  const Loaded policy(kClient);
  const Request request{"", "web", Operation::kConnect, UnixEndpoint{"/run/app", false}, {}};
  EXPECT_EQ(policy.shown(policy->decide(request)), "deny web");
}

TEST(DecideTcp, AnUnknownProtocolIsDeniedAtTheSection) {
  EXPECT_EQ(Loaded(kClient).ask({"", "nope", Operation::kConnect, "a.example:1", ""}), "deny protocols");
  EXPECT_EQ(Loaded(kClient).ask({"", "", Operation::kConnect, "/run/app", ""}), "deny protocols");
}

}  // namespace
}  // namespace wasi_netd::policy
