// Proxies that refuse, and proxies that do not keep to their protocol: the errno, the detail, and that nothing of what
// they say gets to a caller.
#include "tests/loop/proxy/proxy_test.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_literals;

class Misbehaving : public ProxyTest {
 protected:
  const std::string kGreeting = "\5\1\0"s, kGreetingWithLogin = "\5\2\0\2"s, kConnect = "\5\1\0\1\xc0\0\2\1\1\xbb"s;

  // What it comes to when the proxy plays this, and that the connection was reset then.
  std::string against_socks5(const Dialogue& dialogue, bool login = false) {
    int seen = 0;
    ScriptedProxy proxy([&](test::NativeSocket& peer) {
      play(peer, dialogue);
      seen = peer.read_error();
    });
    policy::Proxy to = socks5(proxy);
    if (login) to = with_login(to, "user", "secret");
    const Opened tunnel = open(to, kTarget);
    EXPECT_TRUE(tunnel.has_error());
    proxy.join();
    EXPECT_EQ(seen, ECONNRESET);
    return outcome_of(tunnel, to);
  }
  // From its reply to the request on.
  std::string against_socks5_reply(const std::string& reply) {
    return against_socks5({{kGreeting, "\5\0"s}, {kConnect, reply}});
  }
  std::string against_http(const std::string& answer, bool login = false) {
    int seen = 0;
    ScriptedProxy proxy([&](test::NativeSocket& peer) {
      read_head(peer);
      peer.write_all(answer);
      seen = peer.read_error();
    });
    policy::Proxy to = http(proxy);
    if (login) to = with_login(to, "user", "secret");
    const Opened tunnel = open(to, kTarget);
    proxy.join();
    EXPECT_TRUE(tunnel.has_error());
    EXPECT_EQ(seen, ECONNRESET);
    return outcome_of(tunnel, to);
  }
  // A proxy that never stops sending `piece` after `start`, until it is stopped.
  std::string against_endless(policy::Proxy::Kind kind, const std::string& start, const std::string& piece) {
    size_t sent = 0;
    ScriptedProxy proxy([&](test::NativeSocket& peer) {
      peer.write_all(start);
      try {
        for (;; sent += piece.size()) peer.write_all(piece);
      } catch (const std::system_error& stopped) {
        EXPECT_TRUE(stopped.code().value() == ECONNRESET || stopped.code().value() == EPIPE) << stopped.what();
      }
    });
    const policy::Proxy to = settings(kind, proxy.endpoint());
    const Opened tunnel = open(to, kTarget);
    proxy.join();
    EXPECT_GT(sent, 0U);
    return outcome_of(tunnel, to);
  }
};

TEST_F(Misbehaving, Socks5OfAnotherVersion) {
  EXPECT_EQ(against_socks5({{kGreeting, "\4\0"s}}), "proto: SOCKS5: version is 4");
}
TEST_F(Misbehaving, Socks5ThatIsHttp) {
  EXPECT_EQ(against_socks5({{kGreeting, "HTTP/1.1 400 Bad Request\r\n\r\n"s}}), "proto: SOCKS5: version is 72");
}
TEST_F(Misbehaving, Socks5ThatIsTls) {
  EXPECT_EQ(against_socks5({{kGreeting, "\x15\x03\x01\0\x02\x02\x46"s}}), "proto: SOCKS5: version is 21");
}
TEST_F(Misbehaving, Socks5ThatChoosesAMethodNotOffered) {
  EXPECT_EQ(against_socks5({{kGreeting, "\5\2"s}}), "proto: SOCKS5: the method chosen was not offered: 2");
}
TEST_F(Misbehaving, Socks5ThatAsksForAuthentication) {
  EXPECT_EQ(against_socks5({{kGreeting, "\5\xff"s}}), "acces: asks for authentication");
}
TEST_F(Misbehaving, Socks5ThatRefusesTheLogin) {
  const Dialogue dialogue = {{kGreetingWithLogin, "\5\2"s}, {"\1\4user\6secret"s, "\1\1"s}};
  EXPECT_EQ(against_socks5(dialogue, true), "acces: refuses the user and password");
}
TEST_F(Misbehaving, Socks5ThatChangesItsVersion) {
  EXPECT_EQ(against_socks5_reply("\4\0\0\1\0\0\0\0\0\0"s), "proto: SOCKS5: version of the reply is 4");
}
TEST_F(Misbehaving, Socks5WithAnUnknownAddressType) {
  EXPECT_EQ(against_socks5_reply("\5\0\0\x7f\0\0\0\0\0\0"s), "proto: SOCKS5: unknown address type 127");
}
TEST_F(Misbehaving, Socks5WithAnUnknownReplyCode) {
  EXPECT_EQ(against_socks5_reply("\5\x5b\0\1\0\0\0\0\0\0"s), "proto: SOCKS5: unknown reply code 91");
}
TEST_F(Misbehaving, Socks5ThatRefusesInFourBytes) {
  EXPECT_EQ(against_socks5_reply("\5\5\0\1"s),
            "connrefused: cannot reach the destination: connection refused (SOCKS5 reply 5)");
}
TEST_F(Misbehaving, Socks5ThatNeverStops) {
  EXPECT_EQ(against_endless(policy::Proxy::Kind::kSocks5, "", std::string(4096, '\5')),
            "proto: SOCKS5: the method chosen was not offered: 5");
}

// Not a misbehaviour, but the longest reply there is; what follows it at once is the tunnel's.
TEST_F(Misbehaving, Socks5WithADomainOf255BytesInTheReply) {
  const std::string reply = "\5\0\0\3\xff"s + std::string(255, 'a') + "\x1f\x90";
  const Dialogue dialogue = {{kGreeting, "\5\0"s}, {kConnect, reply + "of the target"}};
  ScriptedProxy proxy([dialogue](test::NativeSocket& peer) { play(peer, dialogue); });
  const policy::Proxy to = socks5(proxy);
  const Opened tunnel = open(to, kTarget);
  ASSERT_EQ(outcome_of(tunnel, to), "success");
  EXPECT_EQ(run(read(*(*tunnel)->take_stream(), 13)), "of the target");
}

TEST_F(Misbehaving, HttpThatAsksForAuthentication) {
  const std::string answer =
      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
  EXPECT_EQ(against_http(answer), "acces: asks for authentication (HTTP status 407)");
  EXPECT_EQ(against_http(answer, true), "acces: refuses the user and password (HTTP status 407)");
}
TEST_F(Misbehaving, HttpThatForbids) {
  EXPECT_EQ(against_http("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"),
            "acces: refuses the destination (HTTP status 403)");
}
TEST_F(Misbehaving, HttpThatCannotReachTheDestination) {
  EXPECT_EQ(against_http("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "hostunreach: cannot reach the destination (HTTP status 502)");
  EXPECT_EQ(against_http("HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            "hostunreach: cannot reach the destination (HTTP status 503)");
  EXPECT_EQ(against_http("HTTP/1.1 504 Gateway Timeout\r\n\r\n"),
            "timedout: cannot reach the destination: time-out (HTTP status 504)");
}
TEST_F(Misbehaving, HttpThatRedirects) {
  EXPECT_EQ(against_http("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"),
            "proto: answers with a status that CONNECT does not have (HTTP status 302)");
}
TEST_F(Misbehaving, HttpThatUpgrades) {
  EXPECT_EQ(against_http("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            "proto: answers with a status that CONNECT does not have (HTTP status 101)");
}
TEST_F(Misbehaving, HttpThatIsSocks5) { EXPECT_EQ(against_http("\5\0"s), "proto: HTTP: not an answer of HTTP/1"); }
TEST_F(Misbehaving, HttpOfAnotherVersion) {
  EXPECT_EQ(against_http("HTTP/2.0 200 OK\r\n\r\n"), "proto: HTTP: not an answer of HTTP/1");
}
TEST_F(Misbehaving, HttpWithALineThatIsNoField) {
  EXPECT_EQ(against_http("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"), "proto: HTTP: a line in the head is no field");
}
TEST_F(Misbehaving, HttpWithAnOversizedField) {
  EXPECT_EQ(against_http("HTTP/1.1 200 OK\r\nX: " + std::string(16 * 1024, 'x')),
            "msgsize: HTTP: the head is over 16 KiB");
}
TEST_F(Misbehaving, HttpWithEndlessFields) {
  EXPECT_EQ(against_endless(policy::Proxy::Kind::kHttp, "HTTP/1.1 200 OK\r\n", "A: b\r\n"),
            "msgsize: HTTP: the head is over 128 lines");
}
TEST_F(Misbehaving, HttpWithOneEndlessField) {
  EXPECT_EQ(against_endless(policy::Proxy::Kind::kHttp, "HTTP/1.1 200 OK\r\nX: ", std::string(100, 'x')),
            "msgsize: HTTP: the head is over 16 KiB");
}
TEST_F(Misbehaving, HttpWithAnEndlessStatusLine) {
  EXPECT_EQ(against_endless(policy::Proxy::Kind::kHttp, "HTTP/1.1 200 ", std::string(100, 'x')),
            "msgsize: HTTP: the head is over 16 KiB");
}
TEST_F(Misbehaving, HttpThatIsAlwaysAboutToAnswer) {
  EXPECT_EQ(against_endless(policy::Proxy::Kind::kHttp, "", "HTTP/1.1 100 Continue\r\n\r\n"),
            "msgsize: HTTP: the head is over 128 lines");
}
TEST_F(Misbehaving, HttpThatRefusesBeforeItReads) {
  int seen = 0;
  ScriptedProxy proxy([&seen](test::NativeSocket& peer) {
    peer.write_all("HTTP/1.1 403 Forbidden\r\n\r\n");
    peer.shutdown_write();
    read_head(peer);
    seen = peer.read_error();
  });
  const policy::Proxy to = http(proxy);
  EXPECT_EQ(outcome_of(open(to, kTarget), to), "acces: refuses the destination (HTTP status 403)");
  proxy.join();
  EXPECT_EQ(seen, ECONNRESET);
}

// Content-Length and Transfer-Encoding of a 2xx mean nothing (RFC 9110 section 9.3.6): all that follows is the
// tunnel's.
TEST_F(Misbehaving, HttpWithContentInASuccess) {
  ScriptedProxy proxy([](test::NativeSocket& peer) {
    read_head(peer);
    peer.write_all("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
  });
  const policy::Proxy to = http(proxy);
  const Opened tunnel = open(to, kTarget);
  ASSERT_EQ(outcome_of(tunnel, to), "success");
  EXPECT_EQ(run(read(*(*tunnel)->take_stream(), 100)), "4\r\nbody\r\n0\r\n\r\n");
}
TEST_F(Misbehaving, HttpThatSaysContinueFirst) {
  ScriptedProxy proxy([](test::NativeSocket& peer) {
    read_head(peer);
    peer.write_all("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
    peer.write_all("HTTP/1.1 200 OK\r\n\r\nof the target");
  });
  const policy::Proxy to = http(proxy);
  const Opened tunnel = open(to, kTarget);
  ASSERT_EQ(outcome_of(tunnel, to), "success");
  EXPECT_EQ(run(read(*(*tunnel)->take_stream(), 13)), "of the target");
}

TEST_F(Misbehaving, NoProxyIsAskedForWhatIsNoTarget) {
  const std::string injected = "a.example:80 HTTP/1.1\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1\r\nHost: b";
  const Endpoint kTargets[] = {unix_path("/run/socket"), policy::NameEndpoint{injected, 80}, ip("192.0.2.1", 0)};
  for (const auto kind : {policy::Proxy::Kind::kSocks5, policy::Proxy::Kind::kHttp}) {
    for (const auto& target : kTargets) {
      int seen = 0;
      ScriptedProxy proxy([&seen](test::NativeSocket& peer) { seen = peer.read_error(); });
      EXPECT_EQ(code_of(open(settings(kind, proxy.endpoint()), target)), Errno::inval);
      proxy.join();
      EXPECT_EQ(seen, ECONNRESET) << "it got a byte";
    }
  }
}

TEST_F(Misbehaving, AConnectionWhoseStreamIsTakenIsNoWayToAProxy) {
  ScriptedProxy proxy([](test::NativeSocket& peer) { EXPECT_EQ(peer.read_error(), ECONNRESET); });
  const policy::Proxy to = http(proxy);
  auto to_proxy = dial(to.address);
  auto taken = to_proxy->take_stream();
  EXPECT_EQ(code_of(run(open_tunnel(to, to_proxy, kTarget))), Errno::notsup);
}

}  // namespace
}  // namespace wasi_netd::net
