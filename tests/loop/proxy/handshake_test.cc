// Handshakes cut off, stalled, given up or dripping at every byte of what the proxy says, for both protocols.
#include "tests/loop/proxy/proxy_test.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_literals;

enum class Protocol { kSocks5, kSocks5WithLogin, kHttp, kHttpWithLogin };
std::ostream& operator<<(std::ostream& out, Protocol protocol) {
  constexpr const char* kNames[] = {"Socks5", "Socks5WithLogin", "Http", "HttpWithLogin"};
  return out << kNames[static_cast<int>(protocol)];
}

class EveryByte : public ProxyTest, public ::testing::WithParamInterface<Protocol> {
 protected:
  static Dialogue dialogue() {
    const Exchange connect{"\5\1\0\1\xc0\0\2\1\1\xbb"s, "\5\0\0\1\x0a\0\0\1\x1f\x90"s};
    const std::string answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    switch (GetParam()) {
      case Protocol::kSocks5:
        return {{"\5\1\0"s, "\5\0"s}, connect};
      case Protocol::kSocks5WithLogin:
        return {{"\5\2\0\2"s, "\5\2"s}, {"\1\4user\6secret"s, "\1\0"s}, connect};
      case Protocol::kHttp:
        return {{"CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n", answer}};
      default:
        return {
            {"CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n"
             "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n",
             answer}};
    }
  }
  // How many bytes the proxy says.
  static size_t length() {
    size_t bytes = 0;
    for (const auto& exchange : dialogue()) bytes += exchange.reply.size();
    return bytes;
  }
  policy::Proxy settings_for(const ScriptedProxy& proxy) {
    const bool is_http = GetParam() == Protocol::kHttp || GetParam() == Protocol::kHttpWithLogin;
    policy::Proxy out = is_http ? http(proxy) : socks5(proxy);
    const bool has_login = GetParam() == Protocol::kSocks5WithLogin || GetParam() == Protocol::kHttpWithLogin;
    return has_login ? with_login(out, "user", "secret") : out;
  }
  // Nothing holds the connection to the proxy, and the proxy has seen it being reset.
  void expect_nothing_left(const std::weak_ptr<Connection>& to_proxy) {
    run_ready();
    EXPECT_TRUE(to_proxy.expired());
  }
};
INSTANTIATE_TEST_SUITE_P(Protocols, EveryByte,
                         ::testing::Values(Protocol::kSocks5, Protocol::kSocks5WithLogin, Protocol::kHttp,
                                           Protocol::kHttpWithLogin),
                         [](const auto& protocol) { return ::testing::PrintToString(protocol.param); });

TEST_P(EveryByte, WhenTheProxyClosesAfterIt) {
  for (size_t count = 0; count < length(); ++count) {
    ScriptedProxy proxy([count](test::NativeSocket& peer) { play(peer, dialogue(), count); });
    const policy::Proxy settings = settings_for(proxy);
    auto to_proxy = dial(proxy.endpoint());
    const std::weak_ptr<Connection> object = to_proxy;
    const Opened tunnel = run(open_tunnel(settings, std::move(to_proxy), kTarget));
    EXPECT_EQ(outcome_of(tunnel, settings), "connaborted: closed the connection during the handshake") << count;
    expect_nothing_left(object);
  }
}

TEST_P(EveryByte, WhenTheProxyResetsAfterIt) {
  for (size_t count = 0; count < length(); ++count) {
    ScriptedProxy proxy([count](test::NativeSocket& peer) {
      play(peer, dialogue(), count);
      peer.reset();
    });
    const policy::Proxy settings = settings_for(proxy);
    auto to_proxy = dial(proxy.endpoint());
    const std::weak_ptr<Connection> object = to_proxy;
    const Opened tunnel = run(open_tunnel(settings, std::move(to_proxy), kTarget));
    EXPECT_EQ(outcome_of(tunnel, settings), "connreset: read: the connection is broken") << count;
    expect_nothing_left(object);
  }
}

TEST_P(EveryByte, WhenTheProxyStallsAfterIt) {
  for (size_t count = 0; count < length(); ++count) {
    int seen = 0;
    ScriptedProxy proxy([count, &seen](test::NativeSocket& peer) {
      try {
        play(peer, dialogue(), count);
        seen = peer.read_error();
      } catch (const std::system_error& early) {
        seen = early.code().value();  // on a busy machine the time may be up before the script has got there
      }
    });
    policy::Proxy settings = settings_for(proxy);
    settings.timeout = std::chrono::milliseconds(20);
    auto to_proxy = dial(proxy.endpoint());
    const std::weak_ptr<Connection> object = to_proxy;
    const Opened tunnel = run(open_tunnel(settings, std::move(to_proxy), kTarget));
    EXPECT_EQ(outcome_of(tunnel, settings), "timedout: no tunnel within 20 ms") << count;
    expect_nothing_left(object);
    proxy.join();
    EXPECT_EQ(seen, ECONNRESET);
  }
}

TEST_P(EveryByte, WhenTheCallerGivesUpAfterIt) {
  for (size_t count = 0; count < length(); ++count) {
    int seen = 0;
    bool said = false;
    ScriptedProxy proxy([&](test::NativeSocket& peer) {
      play(peer, dialogue(), count);
      asio::post(context_, [&said] { said = true; });
      seen = peer.read_error();
    });
    const policy::Proxy settings = settings_for(proxy);
    auto to_proxy = dial(proxy.endpoint());
    const std::weak_ptr<Connection> object = to_proxy;
    auto opening = start(open_tunnel(settings, to_proxy, kTarget));
    run_until([&] { return said; });
    run_ready();
    EXPECT_FALSE(opening->done());
    to_proxy->abort();
    to_proxy.reset();
    EXPECT_EQ(outcome_of(finish(opening), settings), "canceled: canceled") << count;
    expect_nothing_left(object);
    proxy.join();
    EXPECT_EQ(seen, ECONNRESET);
  }
}

TEST_P(EveryByte, ComingAloneMakesATunnelAllTheSame) {
  ScriptedProxy proxy([&](test::NativeSocket& peer) {
    const auto turn_of_the_loop = [&] {
      std::promise<void> turned;
      asio::post(context_, [&turned] { turned.set_value(); });
      turned.get_future().wait();
    };
    for (const auto& exchange : dialogue()) {
      EXPECT_EQ(peer.read(exchange.request.size()), exchange.request);
      for (const char byte : exchange.reply) {
        peer.write_all({&byte, 1});
        turn_of_the_loop();
      }
    }
    EXPECT_EQ(peer.read(4), "ping");
    peer.write_all("pong");
  });
  const policy::Proxy settings = settings_for(proxy);
  auto opening = start(open_tunnel(settings, dial(proxy.endpoint()), kTarget));
  const Opened tunnel = finish(opening);
  ASSERT_EQ(outcome_of(tunnel, settings), "success");
  auto stream = *(*tunnel)->take_stream();
  EXPECT_TRUE(run(write(stream, "ping")));
  EXPECT_EQ(run(read(stream, 4)), "pong");
}

// All at once, with the first bytes of the target behind it.
TEST_P(EveryByte, TogetherWithBytesOfTheTargetLosesNone) {
  ScriptedProxy proxy([](test::NativeSocket& peer) {
    Dialogue with_more = dialogue();
    with_more.back().reply += "first bytes";
    play(peer, with_more);
    peer.write_all(" and more");
  });
  const policy::Proxy settings = settings_for(proxy);
  const Opened tunnel = open(settings, kTarget);
  ASSERT_EQ(outcome_of(tunnel, settings), "success");
  auto stream = *(*tunnel)->take_stream();
  EXPECT_EQ(run(read(stream, 20)), "first bytes and more");
  EXPECT_EQ(*run(read_byte(stream)), 0U);
}

TEST_P(EveryByte, OfTheRequestIsNotSentToAProxyThatIsGone) {
  std::promise<void> dialled;
  ScriptedProxy proxy([&dialled](test::NativeSocket& peer) {
    dialled.get_future().wait();
    peer.reset();
  });
  const policy::Proxy settings = settings_for(proxy);
  auto to_proxy = dial(proxy.endpoint());
  dialled.set_value();
  proxy.join();
  const Opened tunnel = run(open_tunnel(settings, to_proxy, kTarget));
  EXPECT_EQ(outcome_of(tunnel, settings), "connreset: read: the connection is broken");
}

TEST_P(EveryByte, OfThePasswordStaysHereWithoutItsFile) {
  if (GetParam() == Protocol::kSocks5 || GetParam() == Protocol::kHttp) return;
  int seen = 0;
  ScriptedProxy proxy([&seen](test::NativeSocket& peer) { seen = peer.read_error(); });
  policy::Proxy settings = settings_for(proxy);
  settings.password_file = directory_ / "not there";
  const Opened tunnel = open(settings, kTarget);
  EXPECT_EQ(outcome_of(tunnel, settings),
            "io: password file " + settings.password_file + ": No such file or directory");
  proxy.join();
  EXPECT_EQ(seen, ECONNRESET) << "it got a byte";
}

}  // namespace
}  // namespace wasi_netd::net
