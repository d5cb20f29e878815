// The `proxy:` section: what is read from it, and what is refused, with the exact position and without the URL, which
// may hold a password.
#include "tests/unit/policy/loader_errors.h"

namespace wasi_netd::policy {
namespace {

using testing::BadText;
using ::testing::ElementsAre;
using testing::errors_of_body;
using testing::errors_of_tcp;
using testing::errors_of_unix;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Loaded;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view kConnect = "    connect: {allow: [a.example]}\n";

std::string body_with(std::string_view proxy) {
  return "protocols:\n  web:\n    transport: tcp\n" + std::string(kConnect) + "    proxy: " + std::string(proxy) + "\n";
}

TEST(LoaderProxy, Urls) {
  const struct {
    std::string_view url;
    Proxy::Kind kind;
    bool tls;
    std::string_view address;
  } kTable[] = {
      {"socks5://proxy.example", Proxy::Kind::kSocks5, false, "proxy.example:1080"},
      {"socks5://Proxy.Example:9050/", Proxy::Kind::kSocks5, false, "proxy.example:9050"},
      {"socks5://127.0.0.1:9050", Proxy::Kind::kSocks5, false, "127.0.0.1:9050"},
      {"socks5://[::1]", Proxy::Kind::kSocks5, false, "[::1]:1080"},
      {"http://10.0.0.1", Proxy::Kind::kHttp, false, "10.0.0.1:3128"},
      {"http://[fd00::1]:8080", Proxy::Kind::kHttp, false, "[fd00::1]:8080"},
      {"https://proxy.example", Proxy::Kind::kHttp, true, "proxy.example:443"},
      {"https://[::ffff:10.0.0.1]:65535", Proxy::Kind::kHttp, true, "10.0.0.1:65535"},
  };
  for (const auto& row : kTable) {
    const Loaded policy(body_with("{url: '" + std::string(row.url) + "'}"));
    const std::optional<Proxy>& proxy = policy->protocol("web")->proxy;
    ASSERT_TRUE(proxy) << row.url;
    EXPECT_EQ(proxy->kind, row.kind) << row.url;
    EXPECT_EQ(proxy->tls, row.tls) << row.url;
    EXPECT_EQ(to_string(proxy->address), row.address);
    EXPECT_EQ(proxy->user, "");
    EXPECT_EQ(proxy->resolve, Proxy::Resolve::kHere);
    EXPECT_EQ(proxy->timeout, std::chrono::seconds(10));
  }
}

TEST(LoaderProxy, TheRestIsRead) {
  const Loaded policy(body_with(
      "{url: 'https://CORP%5Cann%40x@p.example', password_file: /pw, resolve: here, ca: /ca.pem, timeout: 2s}"));
  const Proxy& proxy = *policy->protocol("web")->proxy;
  EXPECT_EQ(proxy.user, "CORP\\ann@x");
  EXPECT_EQ(proxy.password_file, "/pw");
  EXPECT_EQ(proxy.ca, "/ca.pem");
  EXPECT_EQ(proxy.timeout, std::chrono::seconds(2));
}

TEST(LoaderProxy, ResolvingAtTheProxyIsWarnedOf) {
  const LoadResult result = testing::load_body(body_with("{url: 'socks5://p.example', resolve: proxy}"));
  ASSERT_TRUE(result.policy);
  EXPECT_EQ(result.policy->protocol("web")->proxy->resolve, Proxy::Resolve::kProxy);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(to_string(result.warnings[0]),
            "t.yaml:8:49: names are judged, and not what the proxy resolves them to, which may be any address");
  EXPECT_THAT(testing::load_body(body_with("{url: 'socks5://p.example', resolve: here}")).warnings, IsEmpty());
}

TEST(LoaderProxy, HostsThatTheProxyNeverAsksForAreAnError) {
  const auto text = [&](const char* resolve) {
    return "{url: 'socks5://p.example', resolve: " + std::string(resolve) +
           "}\n    resolver: {hosts: {a.example: [8.8.8.8]}}";
  };
  EXPECT_THAT(errors_of_body(body_with(text("here"))), IsEmpty());
  EXPECT_THAT(errors_of_body(body_with(text("proxy"))),
              ElementsAre("8:49: with `resolve: proxy` the `hosts` of the resolver are never used"));
}

TEST(LoaderProxy, WhatIsNoProxysUrl) {
  constexpr std::string_view kScheme =
      "expected socks5://, http:// or https://, and HOST:PORT; who resolves names is said by `resolve`";
  constexpr std::string_view kAddress =
      "expected HOST, HOST:PORT or [IPV6]:PORT of the proxy after the scheme, and nothing behind it";
  constexpr std::string_view kUser =
      "the user's name must be 1 to 255 characters as in URLs, others as %XX, without ':' and control characters";
  constexpr std::string_view kPassword =
      "a password does not belong in the URL; name a file that holds it with `password_file`";
  const std::string long_user = "socks5://" + std::string(256, 'u') + "@p.example";
  const BadText kTable[] = {
      {"p.example:1080", kScheme},
      {"socks5h://p.example", kScheme},
      {"socks4://p.example", kScheme},
      {"SOCKS5://p.example", kScheme},
      {"socks5:p.example", kScheme},
      {"socks5://", kAddress},
      {"socks5://:1080", kAddress},
      {"socks5://p.example:", kAddress},
      {"socks5://p.example:0", kAddress},
      {"socks5://p.example:65536", kAddress},
      {"socks5://p.example:01080", kAddress},
      {"socks5://::1", kAddress},
      {"socks5://[::1", kAddress},
      {"socks5://[10.0.0.1]:1080", kAddress},
      {"socks5://127.1:1080", kAddress},
      {"socks5://0.0.0.0:1080", kAddress},
      {"socks5://[::]:1080", kAddress},
      {"socks5://224.0.0.1:1080", kAddress},
      {"socks5://255.255.255.255:1080", kAddress},
      {"socks5://p_p.example", kAddress},
      {"http://p.example/path", kAddress},
      {"http://p.example?query", kAddress},
      {"http://p.example#part", kAddress},
      {"http://p.example//", kAddress},
      {"socks5://@p.example", kUser},
      {"socks5://a b@p.example", kUser},
      {"socks5://a%@p.example", kUser},
      {"socks5://a%4@p.example", kUser},
      {"socks5://a%zz@p.example", kUser},
      {"socks5://a%3ab@p.example", kUser},
      {"socks5://a%00@p.example", kUser},
      {"socks5://a%0d%0a@p.example", kUser},
      {"socks5://a@b@p.example", kUser},
      {long_user, kUser},
      {"socks5://ann:secret@p.example", kPassword},
      {"socks5://ann:@p.example", kPassword},
      {"http://ann:sec/ret@p.example", kPassword},
      {"http://ann:sec@ret@p.example", kPassword},
  };
  for (const BadText& row : kTable) {
    const auto errors = errors_of_body(body_with("{url: '" + std::string(row.text) + "'}"));
    EXPECT_THAT(errors, ElementsAre("8:18: " + std::string(row.expected))) << row.text;
    EXPECT_THAT(errors, ElementsAre(Not(HasSubstr("secret")))) << row.text;
  }
}

TEST(LoaderProxy, WhatDoesNotGoTogether) {
  const BadText kTable[] = {
      {"{}", "8:12: the key 'url' is missing; expected a URL such as socks5://proxy.example:1080"},
      {"{resolve: here}", "8:12: the key 'url' is missing; expected a URL such as socks5://proxy.example:1080"},
      {"socks5://p.example", "8:12: expected a mapping with `url`, found text"},
      {"{url: 'socks5://ann@p.example'}",
       "8:18: the URL names a user, whose password is missing; expected `password_file`"},
      {"{url: 'socks5://p.example', password_file: /pw}",
       "8:40: `password_file` is never used: the URL names no user, as in socks5://USER@HOST"},
      {"{url: 'socks5://ann@p.example', password_file: pw}",
       "8:59: expected an absolute path of printable ASCII, found 'pw'"},
      {"{url: 'http://p.example', ca: /ca}", "8:38: `ca` is never used: only a proxy at https:// has a certificate"},
      {"{url: 'socks5://p.example', ca: /ca}", "8:40: `ca` is never used: only a proxy at https:// has a certificate"},
      {"{url: 'socks5://p.example', resolve: there}",
       "8:49: expected one of here, proxy, found 'there' (did you mean 'here'?)"},
      {"{url: 'socks5://p.example', timeout: 5ms}", "8:49: expected a duration from 10ms to 5m, found '5ms'"},
      {"{url: 'socks5://p.example', user: ann}",
       "8:40: unknown key 'user'; expected one of url, password_file, resolve, ca, timeout"},
  };
  for (const BadText& row : kTable)
    EXPECT_THAT(errors_of_body(body_with(row.text)), ElementsAre(row.expected)) << row.text;
}

TEST(LoaderProxy, OnlyConnectingCanBeProxied) {
  const std::string proxy = "    proxy: {url: 'socks5://p.example'}\n";
  EXPECT_THAT(errors_of_tcp(std::string(kConnect) + "    open: {allow: ['127.0.0.1']}\n" + proxy),
              ElementsAre("8:5: nothing is bound and nobody comes in through a proxy; `open` needs a protocol of its "
                          "own, without `proxy`"));
  EXPECT_THAT(errors_of_tcp(std::string(kConnect) + "    accept: {allow: ['127.0.0.1']}\n" + proxy),
              ElementsAre("8:5: nothing is bound and nobody comes in through a proxy; `accept` needs a protocol of its "
                          "own, without `proxy`"));
  EXPECT_THAT(
      errors_of_tcp("    open: {allow: ['127.0.0.1']}\n" + proxy),
      ElementsAre(StartsWith("7:5: nothing is bound"), "8:5: `proxy` is never used: the protocol has no `connect`"));
  EXPECT_THAT(errors_of_body("protocols:\n  game:\n    transport: udp\n" + std::string(kConnect) + proxy),
              ElementsAre("8:5: `proxy` has no meaning for transport udp: it carries streams"));
  EXPECT_THAT(errors_of_unix("    connect: {allow: ['@app']}\n" + proxy),
              ElementsAre("8:5: `proxy` has no meaning for transport unix: its sockets are this machine's"));
}

// The proxy's own address is no peer of guests: no rule, class or family is asked, and it opens nothing for them.
TEST(LoaderProxy, ItsAddressIsTheOperatorsAndOpensNothing) {
  const Loaded policy(
      "protocols:\n  web:\n    transport: tcp\n    families: [ipv6]\n    connect: {allow: [a.example]}\n"
      "    proxy: {url: 'http://127.0.0.1:3128'}\n");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "a.example:443", ""}), "allow a.example");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "127.0.0.1:3128", ""}), "deny families");
  EXPECT_EQ(policy.ask({"", "web", Operation::kConnect, "[::1]:443", "a.example"}), "deny a.example");
}

}  // namespace
}  // namespace wasi_netd::policy
