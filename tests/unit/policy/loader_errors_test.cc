// What the loader refuses, with the exact position and the words that say what was expected.
#include <gmock/gmock.h>

#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> errors_of(std::string_view text) {
  std::vector<std::string> shown;
  const LoadResult result = load_text(text, "t.yaml", testing::kReserved, testing::kAccounts);
  for (const LoadError& error : result.errors) shown.push_back(to_string(error).substr(std::string("t.yaml:").size()));
  EXPECT_EQ(result.policy == nullptr, !shown.empty());
  return shown;
}

// The whole file but for the protocols, which begin at line 4.
std::vector<std::string> errors_of_body(std::string_view body) {
  return errors_of(std::string(testing::kHead) + std::string(body));
}

// A tcp protocol whose lines from 7 on are given.
std::vector<std::string> errors_of_tcp(std::string_view lines) {
  return errors_of_body("protocols:\n  web:\n    transport: tcp\n" + std::string(lines));
}

std::vector<std::string> errors_of_unix(std::string_view lines) {
  return errors_of_body("protocols:\n  chat:\n    transport: unix\n" + std::string(lines));
}

constexpr std::string_view kGood = R"(version: 1
tenant: t
peers: [{user: wasmhost}]
protocols:
  web:
    transport: tcp
    connect: {allow: ["a.example:443"]}
)";

std::vector<std::string> errors_of_good_with(std::string_view lines) {
  return errors_of(std::string(kGood) + std::string(lines));
}

TEST(LoaderErrors, AGoodFileHasNone) { EXPECT_THAT(errors_of(kGood), IsEmpty()); }

struct Row {
  std::string_view text;
  std::string_view expected;
};

TEST(LoaderErrors, Keys) {
  const Row kTable[] = {
      {"tenat: x\n",
       "8:1: unknown key 'tenat' (did you mean 'tenant'?); expected one of version, tenant, peers, mode, protocols, "
       "guests, limits, tests"},
      {"quux: 1\n",
       "8:1: unknown key 'quux'; expected one of version, tenant, peers, mode, protocols, guests, limits, tests"},
      {"tenant: u\n", "8:1: the key 'tenant' is there already, at line 2"},
      {"\"tenant\": u\n", "8:1: the key 'tenant' is there already, at line 2"},
      {"mode: enforce\nmode: audit\n", "9:1: the key 'mode' is there already, at line 8"},
      {"limits: {handles: 1, handles: 1}\n", "8:22: the key 'handles' is there already, at line 8"},
      {"limits: {handle: 1}\n",
       "8:10: unknown key 'handle' (did you mean 'handles'?); expected one of sessions, handles, connections, buffers, "
       "host_connections, per_session"},
      {"guests: {a: {protocol: [web]}}\n",
       "8:14: unknown key 'protocol' (did you mean 'protocols'?); expected one of protocols, limits"},
      {"<<: {mode: audit}\n",
       "8:1: unknown key '<<'; expected one of version, tenant, peers, mode, protocols, guests, limits, tests"},
      {"null: 1\n", "8:1: a key must be plain text"},
      {"? [a, b]\n: 1\n", "8:3: a key must be plain text"},
  };
  for (const Row& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
}

TEST(LoaderErrors, KeysOfLaterVersionsAreNamedAsSuch) {
  const Row kTable[] = {
      {"limits: {handles: 9, connect_rate: 50/s}\n", "8:22: this version does not support 'connect_rate'"},
      {"limits: {handles: 9, bandwidth: {ingress: 10MiB/s}}\n", "8:22: this version does not support 'bandwidth'"},
      {"limits: {handles: 9, idle_timeout: 10m}\n", "8:22: this version does not support 'idle_timeout'"},
      {"limits: {per_session: {handles: 9, idle_timeout: 10m}}\n",
       "8:36: this version does not support 'idle_timeout'"},
  };
  for (const Row& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
  EXPECT_THAT(errors_of_tcp("    connect: {allow: [a.example]}\n    tls: {role: client}\n"),
              ElementsAre("8:5: this version does not support 'tls'"));
  EXPECT_THAT(errors_of_tcp("    connect: {allow: [a.example]}\n    proxy: {url: 'socks5://p:1080'}\n"),
              ElementsAre("8:5: this version does not support 'proxy'"));
  EXPECT_THAT(errors_of_body("protocols:\n  a: {transport: udp}\n  b: {transport: quic}\n"),
              ElementsAre("5:18: this version does not support 'udp'; expected one of tcp, unix",
                          "6:18: this version does not support 'quic'; expected one of tcp, unix"));
  EXPECT_THAT(errors_of_tcp("    connect: {allow: [a.example]}\n    rights: [open, connect, delegate]\n"),
              ElementsAre(StartsWith("8:29: this version does not support 'delegate'; expected one of open, ")));
}

TEST(LoaderErrors, MissingKeys) {
  EXPECT_THAT(
      errors_of("version: 1\n"),
      ElementsAre("1:1: the key 'tenant' is missing; expected 1 to 32 of a-z, 0-9 and '-'",
                  "1:1: the key 'peers' is missing; expected a list of peers",
                  "1:1: the key 'protocols' is missing; expected a mapping of protocol names (1 to 32 of a-z, 0-9, "
                  "'-' and '_')"));
  EXPECT_THAT(errors_of_body("protocols:\n  web:\n    connect: {allow: [a.example]}\n"),
              ElementsAre("6:5: the key 'transport' is missing; expected one of tcp, unix"));
  EXPECT_THAT(errors_of_tcp("    connect: {deny: [a.example]}\n"),
              ElementsAre("7:14: the key 'allow' is missing; expected a list of rules"));
  EXPECT_THAT(errors_of_good_with("tests:\n  - connect: web a.example:443\n"),
              ElementsAre("9:5: the key 'expect' is missing; expected one of allow, deny"));
  EXPECT_THAT(errors_of_good_with("tests:\n  - {expect: allow}\n"),
              ElementsAre("9:5: expected exactly one of connect, open, listen, accept, resolve"));
  EXPECT_THAT(errors_of_good_with("tests:\n  - {connect: web a.example:443, resolve: web a.example, expect: allow}\n"),
              ElementsAre("9:5: expected exactly one of connect, open, listen, accept, resolve"));
}

TEST(LoaderErrors, TypesFormsAndRanges) {
  const Row kTable[] = {
      {"version: 2\ntenant: t\n", "1:10: expected 1, found '2'"},
      {"version: \"1\"\ntenant: t\n", "1:10: expected 1, found the text '1'"},
      {"version: 01\ntenant: t\n", "1:10: expected 1, found '01'"},
      {"version: 1.0\ntenant: t\n", "1:10: expected 1, found '1.0'"},
      {"version: [1]\ntenant: t\n", "1:10: expected 1, found a list"},
      {"version:\ntenant: t\n", "1:1: expected 1, found nothing"},
      {"version: 1\ntenant: Acme\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found 'Acme'"},
      {"version: 1\ntenant: a_b\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found 'a_b'"},
      {"version: 1\ntenant: ''\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found ''"},
      {"version: 1\ntenant: 123\n",
       "2:9: '123' is a number or truth value in YAML; expected 1 to 32 of a-z, 0-9 and '-', in quotes"},
      {"version: 1\ntenant: abcdefghijklmnopqrstuvwxyzabcdefg\n",
       "2:9: expected 1 to 32 of a-z, 0-9 and '-', found 'abcdefghijklmnopqrstuvwxyzabcdefg'"},
      {"version: 1\ntenant: {a: b}\n", "2:9: expected 1 to 32 of a-z, 0-9 and '-', found a mapping"},
      {"version: 1\ntenant: acme\n", "2:9: the policy of tenant 'acme' belongs in acme.yaml, not in t.yaml"},
  };
  const std::string_view rest = kGood.substr(kGood.find("peers"));
  for (const Row& row : kTable) {
    EXPECT_THAT(errors_of(std::string(row.text) + std::string(rest)), ElementsAre(row.expected)) << row.text;
  }
  EXPECT_THAT(errors_of("[version, 1]\n"),
              ElementsAre("1:1: expected a policy, a mapping with `version` and `tenant`, found a list"));
  EXPECT_THAT(errors_of("just text\n"),
              ElementsAre("1:1: expected a policy, a mapping with `version` and `tenant`, found text"));
  EXPECT_THAT(errors_of("~\n"),
              ElementsAre("1:1: expected a policy, a mapping with `version` and `tenant`, found nothing"));
}

TEST(LoaderErrors, Peers) {
  const Row kTable[] = {
      {"[]", "3:8: empty: expected a list of peers"},
      {"[{}]", "3:9: empty: expected a peer such as {user: wasmhost}"},
      {"{user: root}", "3:8: expected a list of peers, found a mapping"},
      {"[{user: nobody-here}]", "3:16: no user 'nobody-here' on this system"},
      {"[{group: nobody-here}]", "3:17: no group 'nobody-here' on this system"},
      {"[{user: 4294967295}]",
       "3:16: expected an account's name, or its number of at most 4294967294, found '4294967295'"},
      {"[{user: -1}]",
       "3:16: '-1' is a number or truth value in YAML; expected an account's name, or its number of at most "
       "4294967294, in quotes"},
      {"[{user: \"1000\"}]", "3:16: expected an account's name, or its number of at most 4294967294, found '1000'"},
      {"[{user: a b}]", "3:16: expected an account's name, or its number of at most 4294967294, found 'a b'"},
      {"[{uid: 5}]", "3:10: unknown key 'uid'; expected one of user, group"},
      {"[{user: wasmhost}, {user: true}]",
       "3:34: 'true' is a number or truth value in YAML; expected an account's name, or its number of at most "
       "4294967294, in quotes"},
  };
  const std::string_view rest = kGood.substr(kGood.find("protocols"));
  for (const Row& row : kTable) {
    const std::string text = "version: 1\ntenant: t\npeers: " + std::string(row.text) + "\n" + std::string(rest);
    EXPECT_THAT(errors_of(text), ElementsAre(row.expected)) << row.text;
  }
}

TEST(LoaderErrors, RulesThatAreNotRules) {
  const Row kTable[] = {
      {"''", "expected a rule, found ''"},
      {"443", "'443' is a number or truth value in YAML; expected a rule, in quotes"},
      {"[\"::\"]", "expected a rule, found a list; text that begins with '[' needs quotes"},
      {"\"a.example:\"", "'a.example:': '' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:http\"",
       "'a.example:http': 'http' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:0\"", "'a.example:0': port 0 can never match here; expected ports 1..65535"},
      {"\"a.example:0-5\"", "'a.example:0-5': port 0 can never match here; expected ports 1..65535"},
      {"\"a.example:9-5\"", "'a.example:9-5': '9-5' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:65536\"",
       "'a.example:65536': '65536' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:080\"", "'a.example:080': '080' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:80,\"", "'a.example:80,': '' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:80, 81\"",
       "'a.example:80, 81': ' 81' is not a port or a range of ports; expected 80, 1-1023 or 80,443"},
      {"\"a.example:80,79-81\"", "'a.example:80,79-81': '79-81' repeats a port that the rule has already"},
      {"\"*\"", "'*': '*' stands only for whole labels in front of a name: *.example.com"},
      {"\"*:443\"", "'*:443': '*' stands only for whole labels in front of a name: *.example.com"},
      {"\"*x.example:1\"", "'*x.example:1': '*' stands only for whole labels in front of a name: *.example.com"},
      {"\"a.*.example:1\"", "'a.*.example:1': '*' stands only for whole labels in front of a name: *.example.com"},
      {"\"*.*.example:1\"", "'*.*.example:1': '*' stands only for whole labels in front of a name: *.example.com"},
      {"\"a_b.example:1\"",
       "'a_b.example:1': not a host name or an address; expected NAME:PORTS, *.NAME:PORTS, IPV4/LENGTH:PORTS or "
       "[IPV6]/LENGTH:PORTS"},
      {"\"10.1.2.300:80\"", "'10.1.2.300:80': not an IP address or block"},
      {"\"10.1.2:80\"", "'10.1.2:80': not an IP address or block"},
      {"\"10.01.2.3:80\"", "'10.01.2.3:80': not an IP address or block"},
      {"\"10.0.0.0/33\"", "'10.0.0.0/33': the prefix length must be 0..32"},
      {"\"10.0.0.0/08\"", "'10.0.0.0/08': the prefix length must be 0..32"},
      {"\"10.0.0.0/\"", "'10.0.0.0/': the prefix length must be 0..32"},
      {"\"10.0.0.0/-1\"", "'10.0.0.0/-1': the prefix length must be 0..32"},
      {"\"10.0.0.0/8/8\"", "'10.0.0.0/8/8': the prefix length must be 0..32"},
      {"\"10.1.2.3/16\"", "'10.1.2.3/16': bits are set after the prefix; write 10.1.0.0/16"},
      {"\"[2001:db8::1]/32:80\"", "'[2001:db8::1]/32:80': bits are set after the prefix; write 2001:db8::/32"},
      {"\"[2001:db8::]/129\"", "'[2001:db8::]/129': the prefix length must be 0..128"},
      {"\"[2001:db8::/32]:80\"",
       "'[2001:db8::/32]:80': brackets hold one IPv6 address; the prefix length follows them: [2001:db8::]/32"},
      {"\"[10.0.0.1]:80\"",
       "'[10.0.0.1]:80': brackets hold one IPv6 address; the prefix length follows them: [2001:db8::]/32"},
      {"\"[::1\"", "'[::1': expected an IPv6 block as [2001:db8::]/32"},
      {"\"[::1]x\"", "'[::1]x': expected an IPv6 block as [2001:db8::]/32"},
      {"\"[fe80::1%eth0]:80\"", "'[fe80::1%eth0]:80': a rule holds for every zone; write the address without '%'"},
      {"\"[::ffff:0:0]/90\"", "'[::ffff:0:0]/90': bits are set after the prefix"},
      {"\"2001:db8::/32\"", "'2001:db8::/32': expected an IPv6 address in brackets: [2001:db8::]/32:443"},
      {"\"::1\"", "'::1': expected an IPv6 address in brackets: [2001:db8::]/32:443"},
      {"\"a.example/24\"", "'a.example/24': not an IP address or block"},
      {"\"/run/app.sock\"", "'/run/app.sock': a Unix socket's name can never match: the protocol's transport is tcp"},
      {"\"@app\"", "'@app': a Unix socket's name can never match: the protocol's transport is tcp"},
  };
  for (const Row& row : kTable) {
    const auto errors = errors_of_tcp("    connect: {allow: [" + std::string(row.text) + "]}\n");
    EXPECT_THAT(errors, ElementsAre("7:23: " + std::string(row.expected))) << row.text;
  }
}

TEST(LoaderErrors, RulesThatCanNeverMatch) {
  const Row kTcp[] = {
      {"    open: {allow: [a.example]}\n",
       "7:20: 'a.example': a name can never match here: what is bound and who connects are addresses"},
      {"    accept: {allow: [a.example]}\n",
       "7:22: 'a.example': a name can never match here: what is bound and who connects are addresses"},
      {"    accept: {allow: [\"10.0.0.0/8:0\"]}\n",
       "7:22: '10.0.0.0/8:0': port 0 can never match here; expected ports 1..65535"},
      {"    families: [ipv4]\n    connect: {allow: [\"[::1]:80\", \"10.0.0.1\"]}\n",
       "8:23: '[::1]:80' can never match: `families` lacks its address family"},
      {"    families: [ipv6]\n    connect: {allow: [\"[::1]:80\"], deny: [\"10.0.0.1\"]}\n",
       "8:43: '10.0.0.1' can never match: `families` lacks its address family"},
      {"    connect: {allow: [a.example], deny: [a.example]}\n",
       "7:23: 'a.example' can never match: 'a.example' at line 7 denies it"},
      {"    connect: {allow: ['a.example:80'], deny: ['*.example']}\n",
       "7:23: 'a.example:80' can never match: '*.example' at line 7 denies it"},
      {"    connect: {allow: ['*.a.example:80'], deny: ['*.example']}\n",
       "7:23: '*.a.example:80' can never match: '*.example' at line 7 denies it"},
      {"    connect: {allow: ['*.example:80'], deny: ['*.example:1-100']}\n",
       "7:23: '*.example:80' can never match: '*.example:1-100' at line 7 denies it"},
      {"    connect: {allow: ['10.1.0.0/16:80,90'], deny: ['10.0.0.0/8:80', '10.1.0.0/16:90']}\n",
       "7:23: '10.1.0.0/16:80,90' can never match: '10.0.0.0/8:80' at line 7 denies it"},
      {"    connect: {allow: ['127.0.0.1'], deny: ['0.0.0.0/0']}\n",
       "7:23: '127.0.0.1' can never match: '0.0.0.0/0' at line 7 denies it"},
      {"    connect: {allow: ['[2001:db8::]/32'], deny: ['[::]/0']}\n",
       "7:23: '[2001:db8::]/32' can never match: '[::]/0' at line 7 denies it"},
      {"    connect: {allow: ['10.0.0.1:80', '[::ffff:10.0.0.1]:80']}\n",
       "7:38: '[::ffff:10.0.0.1]:80' can never decide: earlier rules say the same"},
      {"    connect: {allow: ['a.example:80', 'A.Example.:80']}\n",
       "7:39: 'A.Example.:80' can never decide: earlier rules say the same"},
      {"    connect: {allow: ['a.example:1-99', 'a.example:7']}\n",
       "7:41: 'a.example:7' can never decide: earlier rules say the same"},
      {"    connect: {allow: [a.example, a.example]}\n", "7:34: 'a.example' is in the list already, at line 7"},
      {"    connect: {allow: []}\n", "7:22: empty: expected a list of rules"},
      {"    connect: {allow: [a.example], deny: []}\n", "7:41: empty: expected a list of rules"},
      {"    connect: {}\n", "7:14: the key 'allow' is missing; expected a list of rules"},
      {"    connect:\n", "7:5: expected a mapping with `allow` and `deny`, found nothing"},
      {"    families: [ipv4, ipv6]\n", "5:3: the protocol can do nothing; expected `connect`, `open` or `accept`"},
  };
  for (const Row& row : kTcp) EXPECT_THAT(errors_of_tcp(row.text), ElementsAre(row.expected)) << row.text;
  const Row kUnix[] = {
      {"    connect: {allow: ['a.example:80']}\n",
       "7:23: 'a.example:80': expected /path, /directory/, @name or @prefix*: the protocol's transport is unix"},
      {"    connect: {allow: ['*']}\n",
       "7:23: '*': '*' (any peer) belongs in `accept`; expected /path, /directory/, @name or @prefix*"},
      {"    connect: {allow: ['/a/../b']}\n",
       "7:23: '/a/../b': expected a normal absolute path or an abstract name of at most 107 bytes, without '//', '.' "
       "or '..'"},
      {"    connect: {allow: ['/a//']}\n",
       "7:23: '/a//': expected a normal absolute path or an abstract name of at most 107 bytes, without '//', '.' or "
       "'..'"},
      {"    connect: {allow: ['@']}\n",
       "7:23: '@': expected a normal absolute path or an abstract name of at most 107 bytes, without '//', '.' or "
       "'..'"},
      {"    connect: {allow: ['/run/wasi-netd/tenants/']}\n",
       "7:23: '/run/wasi-netd/tenants/' can never match: the path is the daemon's own"},
      {"    connect: {allow: ['/run/wasi-netd/']}\n",
       "7:23: '/run/wasi-netd/' can never match: the path is the daemon's own"},
      {"    open: {allow: ['/etc/wasi-netd']}\n",
       "7:20: '/etc/wasi-netd' can never match: the path is the daemon's own"},
      {"    connect: {allow: ['/run/app/x'], deny: ['/run/']}\n",
       "7:23: '/run/app/x' can never match: '/run/' at line 7 denies it"},
      {"    connect: {allow: ['@chat-*'], deny: ['@chat*']}\n",
       "7:23: '@chat-*' can never match: '@chat*' at line 7 denies it"},
      {"    accept: {allow: ['*'], deny: ['*']}\n", "7:22: '*' can never match: '*' at line 7 denies it"},
      {"    connect: {allow: [\"@a\"]}\n    families: [ipv4]\n", "8:5: `families` has no meaning for transport unix"},
      {"    connect: {allow: [\"@a\"]}\n    resolver: {timeout: 1s}\n",
       "8:5: `resolver` has no meaning for transport unix"},
  };
  for (const Row& row : kUnix) EXPECT_THAT(errors_of_unix(row.text), ElementsAre(row.expected)) << row.text;
}

TEST(LoaderErrors, AllowRulesThatDenyRulesOnlyNarrowAreFine) {
  EXPECT_THAT(
      errors_of_tcp(
          "    connect: {allow: ['*.example', '10.0.0.0/8:1-99', a.example], deny: ['a.example:5', '10.1.0.0/16', "
          "'10.0.0.0/8:5']}\n"),
      IsEmpty());
}

TEST(LoaderErrors, Rights) {
  const std::string_view connect = "    connect: {allow: [a.example]}\n";
  const Row kTable[] = {
      {"    rights: [open, conect]\n",
       "8:20: expected one of open, listen, accept, connect, stream_create, stream_accept, resolve, read, write, "
       "shutdown, "
       "sock_accept, poll, set_flags, stat, found 'conect' (did you mean 'connect'?)"},
      {"    rights: [open, connect, listen]\n",
       "8:29: the right 'listen' has no use here: no section of the protocol implies it"},
      {"    rights: [open, connect, open]\n", "8:29: 'open' is in the list already, at line 8"},
      {"    rights: []\n", "8:13: empty: expected a list of rights"},
      {"    rights: [open, read]\n", "7:5: the rules of `connect` can never match: `rights` lacks 'connect'"},
      {"    rights: connect\n", "8:13: expected a list of rights, found text"},
  };
  for (const Row& row : kTable) {
    EXPECT_THAT(errors_of_tcp(std::string(connect) + std::string(row.text)), ElementsAre(row.expected)) << row.text;
  }
}

TEST(LoaderErrors, Resolver) {
  const std::string_view connect = "    connect: {allow: ['a.example:443', '*.b.example']}\n";
  const Row kTable[] = {
      {"{}", "8:15: empty: expected a mapping with `servers`, `timeout`, `hosts`"},
      {"{servers: [dns.example]}",
       "8:26: expected a DNS server as ADDRESS, IPV4:PORT or [IPV6]:PORT, found 'dns.example'"},
      {"{servers: ['0.0.0.0']}", "8:26: expected a DNS server as ADDRESS, IPV4:PORT or [IPV6]:PORT, found '0.0.0.0'"},
      {"{servers: ['10.0.0.53:0']}",
       "8:26: expected a DNS server as ADDRESS, IPV4:PORT or [IPV6]:PORT, found '10.0.0.53:0'"},
      {"{servers: ['224.0.0.1']}",
       "8:26: expected a DNS server as ADDRESS, IPV4:PORT or [IPV6]:PORT, found '224.0.0.1'"},
      {"{timeout: 0s}", "8:25: expected a duration such as 500ms, 2s or 1m, found '0s'"},
      {"{timeout: 9ms}", "8:25: expected a duration from 10ms to 5m, found '9ms'"},
      {"{timeout: 301s}", "8:25: expected a duration from 10ms to 5m, found '301s'"},
      {"{timeout: 5}",
       "8:25: '5' is a number or truth value in YAML; expected a duration such as 500ms, 2s or 1m, in quotes"},
      {"{hosts: {c.example: [8.8.8.8]}}", "8:24: no rule of `connect` allows the host 'c.example'"},
      {"{hosts: {b.example: [8.8.8.8]}}", "8:24: no rule of `connect` allows the host 'b.example'"},
      {"{hosts: {a.example: [8.8.8]}}", "8:36: expected an IP address, found '8.8.8'"},
      {"{hosts: {a.example: []}}", "8:35: empty: expected a list of IP addresses"},
      {"{hosts: {-a.example: [8.8.8.8]}}", "8:24: expected a host name, found '-a.example'"},
      {"{hosts: {a_b: [8.8.8.8]}}", "8:24: 'a_b' cannot be a key here; expected a mapping of host names to addresses"},
      {"{hosts: {a.example: [8.8.8.8], A.EXAMPLE: [8.8.4.4]}}", "8:46: the host 'a.example' is there already"},
  };
  for (const Row& row : kTable) {
    const auto errors = errors_of_tcp(std::string(connect) + "    resolver: " + std::string(row.text) + "\n");
    EXPECT_THAT(errors, ElementsAre(row.expected)) << row.text;
  }
  EXPECT_THAT(errors_of_tcp("    open: {allow: ['127.0.0.1']}\n    resolver: {timeout: 1s}\n"),
              ElementsAre("8:5: `resolver` is never used: the protocol has no `connect`"));
}

TEST(LoaderErrors, AHostsAddressThatTheNameNeverReachesIsAWarning) {
  const LoadResult result = testing::load_body(
      "protocols:\n  web:\n    transport: tcp\n    connect: {allow: ['a.example:443']}\n"
      "    resolver: {hosts: {a.example: [8.8.8.8, 10.0.0.5]}}\n");
  EXPECT_TRUE(result.policy);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(
      to_string(result.warnings[0]),
      "t.yaml:8:45: '10.0.0.5' can never be connected to by this name: address class private: only an address rule "
      "within 10.0.0.0/8 reaches it");
}

TEST(LoaderErrors, LimitsAndGuests) {
  const Row kTable[] = {
      {"limits: {}\n", "8:9: empty: expected a mapping of limits"},
      {"limits: {handles: 0}\n", "8:19: expected a whole number from 1 to 1000000, found '0'"},
      {"limits: {handles: 1000001}\n", "8:19: expected a whole number from 1 to 1000000, found '1000001'"},
      {"limits: {handles: -5}\n", "8:19: expected a whole number from 1 to 1000000, found '-5'"},
      {"limits: {handles: 99999999999999999999999}\n",
       "8:19: expected a whole number from 1 to 1000000, found '99999999999999999999999'"},
      {"limits: {handles: many}\n", "8:19: expected a whole number from 1 to 1000000, found 'many'"},
      {"limits: {handles: 1_000}\n", "8:19: expected a whole number from 1 to 1000000, found '1_000'"},
      {"limits: {buffers: 64MB}\n", "8:19: expected a size such as 64KiB, 64MiB or 1GiB, found '64MB'"},
      {"limits: {buffers: 65536}\n",
       "8:19: '65536' is a number or truth value in YAML; expected a size such as 64KiB, 64MiB or 1GiB, in quotes"},
      {"limits: {buffers: 63KiB}\n", "8:19: out of range; expected at least 64KiB"},
      {"limits: {handles: 5, per_session: {handles: 6}}\n",
       "8:45: can never take effect: wider than `limits`, which allows 5"},
      {"limits: {buffers: 1MiB, per_session: {buffers: 2MiB}}\n",
       "8:48: can never take effect: wider than `limits`, which allows 1048576 bytes"},
      {"limits: {per_session: {sessions: 6}}\n",
       "8:24: unknown key 'sessions'; expected one of handles, connections, buffers"},
      {"guests: {}\n", "8:9: empty: expected a mapping of guest names (1 to 64 of letters, digits, '.', '-' and '_')"},
      {"guests: {'a b': {}}\n",
       "8:10: 'a b' cannot be a key here; expected a mapping of guest names (1 to 64 of letters, digits, '.', '-' and "
       "'_')"},
      {"guests: {a: {protocols: [web, wbe]}}\n", "8:31: the tenant has no protocol 'wbe'"},
      {"guests: {a: {protocols: []}}\n", "8:25: empty: expected a list of protocol names"},
      {"guests: {a: {limits: {handles: 9}}}\nlimits: {handles: 8}\n",
       "8:32: can never take effect: wider than `limits`, which allows 8"},
      {"guests: {a: ~}\n", "8:13: expected a mapping with `protocols` and `limits`, found nothing"},
  };
  for (const Row& row : kTable) EXPECT_THAT(errors_of_good_with(row.text), ElementsAre(row.expected)) << row.text;
}

TEST(LoaderErrors, TestsThatFail) {
  EXPECT_THAT(errors_of_good_with("tests:\n"
                                  "  - {connect: \"web a.example:443\", expect: allow}\n"
                                  "  - {connect: \"web a.example:80\", expect: deny}\n"
                                  "  - {connect: \"web 10.0.0.1:443\", via: a.example, expect: deny}\n"
                                  "  - {connect: \"web 8.8.8.8:443\", via: a.example, expect: allow}\n"
                                  "  - {open: \"web [::]:0\", expect: allow}\n"
                                  "  - {listen: \"web [::]:0\", expect: deny}\n"
                                  "  - {accept: \"web 127.0.0.1:5\", expect: deny}\n"
                                  "  - {resolve: \"web a.example\", expect: allow}\n"
                                  "  - {resolve: \"web 127.0.0.1\", via: a.example, expect: deny}\n"),
              IsEmpty());
  const Row kTable[] = {
      {"{connect: \"web a.example:443\", expect: deny}",
       "9:15: the test fails: expected deny, and the answer is allow: allowed by rule (t.yaml:7 a.example:443)"},
      {"{connect: \"web a.example:80\", expect: allow}",
       "9:15: the test fails: expected allow, and the answer is deny: no rule matches (t.yaml:7 connect)"},
      {"{connect: \"web a.example\", expect: allow}",
       "9:15: the test asks nothing: expected IPV4:PORT, [IPV6]:PORT or NAME:PORT"},
      {"{connect: \"web\", expect: allow}",
       "9:15: the test asks nothing: expected IPV4:PORT, [IPV6]:PORT or NAME:PORT"},
      {"{resolve: \"web a.example:80\", expect: allow}",
       "9:15: the test asks nothing: expected a host name without a port"},
      {"{connect: \"web a.example:80\", via: a.example, expect: allow}",
       "9:15: the test asks nothing: a name to come from goes with an IP address"},
      {"{connect: \"wbe a.example:443\", expect: allow}",
       "9:15: the test fails: expected allow, and the answer is deny: the tenant does not have this protocol (t.yaml:4 "
       "protocols)"},
      {"{connect: \"web a.example:443\", expect: would_deny}", "9:44: expected one of allow, deny, found 'would_deny'"},
  };
  for (const Row& row : kTable) {
    EXPECT_THAT(errors_of_good_with("tests:\n  - " + std::string(row.text) + "\n"), ElementsAre(row.expected))
        << row.text;
  }
}

TEST(LoaderErrors, InAuditModeTestsAskTheRules) {
  EXPECT_THAT(errors_of_good_with("mode: audit\ntests: [{connect: \"web b.example:443\", expect: deny}]\n"), IsEmpty());
}

TEST(LoaderErrors, AllOfThemAreReportedInOrder) {
  EXPECT_THAT(errors_of("version: 2\n"
                        "tenant: t\n"
                        "peers: [{user: nobody-here}]\n"
                        "protocols:\n"
                        "  web:\n"
                        "    transport: tcp\n"
                        "    connect: {allow: [\"a.example:0\", \"10.0.0.1/8\"], deney: []}\n"
                        "  chat:\n"
                        "    transport: unix\n"
                        "    accept: {allow: [relative]}\n"
                        "limits: {handles: none}\n"),
              ElementsAre(StartsWith("1:10: "), StartsWith("3:16: "), StartsWith("7:23: "), StartsWith("7:38: "),
                          StartsWith("7:53: unknown key 'deney' (did you mean 'deny'?)"), StartsWith("10:22: "),
                          StartsWith("11:19: ")));
}

TEST(LoaderErrors, AfterAHundredOnlyTheNumberOfTheOthersIsSaid) {
  std::string text(kGood);
  for (int i = 0; i < 150; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  const auto errors = errors_of(text);
  ASSERT_EQ(errors.size(), 101u);
  EXPECT_THAT(errors.back(), HasSubstr("and 50 more"));
}

}  // namespace
}  // namespace wasi_netd::policy
