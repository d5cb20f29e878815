// Rules, rights and resolvers that the loader refuses, with the exact position and what was expected.
#include "tests/unit/policy/loader_errors.h"

namespace wasi_netd::policy {
namespace {

using testing::BadText;
using ::testing::ElementsAre;
using testing::errors_of_body;
using testing::errors_of_tcp;
using testing::errors_of_unix;
using ::testing::IsEmpty;

TEST(LoaderRules, RulesThatAreNotRules) {
  const BadText kTable[] = {
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
  for (const BadText& row : kTable) {
    const auto errors = errors_of_tcp("    connect: {allow: [" + std::string(row.text) + "]}\n");
    EXPECT_THAT(errors, ElementsAre("7:23: " + std::string(row.expected))) << row.text;
  }
}

TEST(LoaderRules, RulesThatCanNeverMatch) {
  const BadText kTcp[] = {
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
  for (const BadText& row : kTcp) EXPECT_THAT(errors_of_tcp(row.text), ElementsAre(row.expected)) << row.text;
  const BadText kUnix[] = {
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
  for (const BadText& row : kUnix) EXPECT_THAT(errors_of_unix(row.text), ElementsAre(row.expected)) << row.text;
}

// As a character it would match nothing, and the deny rule would be one in name only.
TEST(LoaderRules, AStarThatIsNoPatternIsRefused) {
  for (const char* rule : {"/run/app/secret*", "/run/*/x", "/run/app/*", "*/x", "/*/", "@a*b", "@*a", "@a**", "**"}) {
    const std::string expected = "'" + std::string(rule) +
                                 "': '*' stands only at the end of an abstract name, @prefix*; for every path below a "
                                 "directory write /directory/";
    EXPECT_THAT(errors_of_unix("    accept: {allow: ['*'], deny: ['" + std::string(rule) + "']}\n"),
                ElementsAre("7:35: " + expected));
    EXPECT_THAT(errors_of_unix("    connect: {allow: ['" + std::string(rule) + "']}\n"),
                ElementsAre("7:23: " + expected));
  }
  EXPECT_THAT(errors_of_unix("    accept: {allow: ['*'], deny: ['@*', '/']}\n"), IsEmpty());
}

TEST(LoaderRules, OtherCharactersOfPatternsAreWarnedOfSinceTheyStandForThemselves) {
  const LoadResult result = testing::load_body(
      "protocols:\n  chat:\n    transport: unix\n"
      "    connect: {allow: ['/run/app/'], deny: ['/run/app/s?', '/run/app/[ab]', '@{a,b}', '/run/app/plain']}\n");
  EXPECT_TRUE(result.policy);
  ASSERT_EQ(result.warnings.size(), 3u);
  EXPECT_EQ(
      to_string(result.warnings[0]),
      "t.yaml:7:44: '/run/app/s?' holds '?', '[' or '{', which stand for themselves: only /directory/ and @prefix* are "
      "patterns");
}

TEST(LoaderRules, AllowRulesThatDenyRulesOnlyNarrowAreFine) {
  EXPECT_THAT(
      errors_of_tcp(
          "    connect: {allow: ['*.example', '10.0.0.0/8:1-99', a.example], deny: ['a.example:5', '10.1.0.0/16', "
          "'10.0.0.0/8:5']}\n"),
      IsEmpty());
}

TEST(LoaderRules, Rights) {
  const std::string_view connect = "    connect: {allow: [a.example]}\n";
  const BadText kTable[] = {
      {"    rights: [open, conect]\n",
       "8:20: expected one of open, listen, accept, connect, stream_create, stream_accept, resolve, send_to, "
       "recv_from, read, write, shutdown, sock_accept, poll, set_flags, stat, found 'conect' (did you mean "
       "'connect'?)"},
      {"    rights: [open, connect, listen]\n",
       "8:29: the right 'listen' has no use here: no section of the protocol implies it"},
      {"    rights: [open, connect, open]\n", "8:29: 'open' is in the list already, at line 8"},
      {"    rights: []\n", "8:13: empty: expected a list of rights"},
      {"    rights: [open, read]\n", "7:5: the rules of `connect` can never match: `rights` lacks 'connect'"},
      {"    rights: connect\n", "8:13: expected a list of rights, found text"},
      {"    rights: [open, connect, send_to]\n",
       "8:29: the right 'send_to' has no use here: no section of the protocol implies it"},
      {"    rights: [open, connect, recv_from]\n",
       "8:29: the right 'recv_from' has no use here: no section of the protocol implies it"},
  };
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of_tcp(std::string(connect) + std::string(row.text)), ElementsAre(row.expected)) << row.text;
  }
}

TEST(LoaderRules, Udp) {
  const BadText kTable[] = {
      {"    connect: {allow: ['@app']}\n",
       "7:23: '@app': a Unix socket's name can never match: the protocol's transport is udp"},
      {"    accept: {allow: [a.example]}\n",
       "7:22: 'a.example': a name can never match here: what is bound and who connects are addresses"},
      {"    accept: {allow: ['10.0.0.0/8:0']}\n",
       "7:22: '10.0.0.0/8:0': port 0 can never match here; expected ports 1..65535"},
      {"    families: [ipv4]\n    accept: {allow: ['[::1]']}\n",
       "8:22: '[::1]' can never match: `families` lacks its address family"},
      {"    accept: {allow: ['10.0.0.0/8']}\n    rights: [open, accept, send_to]\n",
       "8:28: the right 'send_to' has no use here: no section of the protocol implies it"},
      {"    open: {allow: ['127.0.0.1']}\n    rights: [open, recv_from]\n",
       "8:20: the right 'recv_from' has no use here: no section of the protocol implies it"},
      {"    accept: {allow: ['10.0.0.0/8']}\n    rights: [open, read]\n",
       "7:5: the rules of `accept` can never match: `rights` lacks 'accept'"},
      {"    connect: {allow: ['a.example:53']}\n    resolver: {hosts: {b.example: [8.8.8.8]}}\n",
       "8:24: no rule of `connect` allows the host 'b.example'"},
      {"    accept: {allow: ['10.0.0.0/8']}\n    resolver: {timeout: 1s}\n",
       "8:5: `resolver` is never used: the protocol has no `connect`"},
  };
  for (const BadText& row : kTable) {
    EXPECT_THAT(errors_of_body("protocols:\n  game:\n    transport: udp\n" + std::string(row.text)),
                ElementsAre(row.expected))
        << row.text;
  }
}

TEST(LoaderRules, Resolver) {
  const std::string_view connect = "    connect: {allow: ['a.example:443', '*.b.example']}\n";
  const BadText kTable[] = {
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
  for (const BadText& row : kTable) {
    const auto errors = errors_of_tcp(std::string(connect) + "    resolver: " + std::string(row.text) + "\n");
    EXPECT_THAT(errors, ElementsAre(row.expected)) << row.text;
  }
  EXPECT_THAT(errors_of_tcp("    open: {allow: ['127.0.0.1']}\n    resolver: {timeout: 1s}\n"),
              ElementsAre("8:5: `resolver` is never used: the protocol has no `connect`"));
}

TEST(LoaderRules, AHostsAddressThatTheNameNeverReachesIsAWarning) {
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

}  // namespace
}  // namespace wasi_netd::policy
