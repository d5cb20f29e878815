// Through the proxies that are in use: microsocks, dante, tinyproxy, squid.
#include <filesystem>

#include "tests/loop/proxy/proxy_test.h"
#include "tests/support/real_server.h"

namespace wasi_netd::net {
namespace {

using Kind = policy::Proxy::Kind;

// Where the tunnels lead: the same port of 127.0.0.1 and [::1]. Whoever connects sends a line and gets it back twice.
class Destination {
 public:
  Destination() : thread_([this] { serve(); }) {}
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;
  ~Destination() {
    stop_.shutdown_write();
    thread_.join();
  }
  uint16_t port() const { return v4_.local_port(); }

 private:
  // A port that is free for both.
  static std::pair<test::NativeSocket, test::NativeSocket> listen_on_both() {
    for (;;) {
      auto v4 = test::native_listen(test::native_ip("127.0.0.1", 0));
      try {
        auto v6 = test::native_listen(test::native_ip("::1", v4.local_port()));
        return {std::move(v4), std::move(v6)};
      } catch (const std::system_error& error) {
        if (error.code().value() != EADDRINUSE) throw;
      }
    }
  }
  static std::string read_line(test::NativeSocket& peer) {
    std::string line;
    std::vector<char> piece(64 * 1024);
    while (!line.ends_with('\n')) {
      const ssize_t n = ::recv(peer.fd(), piece.data(), piece.size(), 0);
      if (n < 0) test::throw_errno("recv");
      if (n == 0) break;
      line.append(piece.data(), static_cast<size_t>(n));
    }
    return line;
  }
  void serve() {
    for (;;) {
      pollfd entries[] = {{stopped_.fd(), POLLIN, 0}, {v4_.fd(), POLLIN, 0}, {v6_.fd(), POLLIN, 0}};
      ::poll(entries, 3, -1);
      if (entries[0].revents != 0) return;
      try {
        auto peer = (entries[1].revents != 0 ? v4_ : v6_).accept();
        const std::string line = read_line(peer);
        peer.write_all(line + line);
        peer.read_to_end();
      } catch (const std::system_error&) {
        // The proxy ends its connections as it likes.
      }
    }
  }
  std::pair<test::NativeSocket, test::NativeSocket> listeners_ = listen_on_both();
  test::NativeSocket& v4_ = listeners_.first;
  test::NativeSocket& v6_ = listeners_.second;
  std::pair<test::NativeSocket, test::NativeSocket> ends_ = test::native_pair();
  test::NativeSocket& stop_ = ends_.first;
  test::NativeSocket& stopped_ = ends_.second;
  std::thread thread_;
};

class RealProxyTest : public ProxyTest {
 protected:
  void SetUp() override { std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755)); }

  // A configuration file of the test's.
  std::string config(const std::string& text) {
    std::string path = directory_ / "config";
    write_file(path, text);
    return path;
  }
  policy::Proxy through(const test::RealServer& proxy, Kind kind) {
    return settings(kind, ip("127.0.0.1", proxy.port()));
  }
  // The tunnel to every kind of target carries bytes both ways.
  void expect_tunnels(const policy::Proxy& proxy) {
    const Endpoint kTargets[] = {ip("127.0.0.1", destination_.port()), ip("::1", destination_.port()),
                                 policy::NameEndpoint{"localhost", destination_.port()}};
    for (const auto& target : kTargets) {
      SCOPED_TRACE(policy::to_string(target));
      const Opened tunnel = open(proxy, target);
      ASSERT_EQ(outcome_of(tunnel, proxy), "success");
      EXPECT_EQ((*tunnel)->peer_endpoint(), target);
      auto stream = *(*tunnel)->take_stream();
      const std::string line = std::string(100'000, 'w') + "\n";
      EXPECT_TRUE(run(write(stream, line)));
      EXPECT_TRUE(run(read(stream, 2 * line.size())) == line + line);
      (*tunnel)->abort();
    }
  }
  std::string outcome(const policy::Proxy& proxy, const Endpoint& target) {
    return outcome_of(open(proxy, target), proxy);
  }

  Destination destination_;
  // Bound, so that nobody else gets it, but nobody listens.
  test::NativeSocket refusing_ = test::native_bind(test::native_ip("127.0.0.1", 0));
  const Endpoint refused_ = ip("127.0.0.1", refusing_.local_port());
};

class Microsocks : public RealProxyTest {
 protected:
  void SetUp() override {
    RealProxyTest::SetUp();
    if (!test::find_program("microsocks")) GTEST_SKIP() << "microsocks is not installed";
  }
  static test::RealServer launch(const std::vector<std::string>& more = {}) {
    return test::RealServer([more](uint16_t port) {
      std::vector<std::string> words = {"microsocks", "-i", "127.0.0.1", "-p", std::to_string(port)};
      words.insert(words.end(), more.begin(), more.end());
      return words;
    });
  }
};

TEST_F(Microsocks, TunnelsToAddressesAndNames) {
  const test::RealServer proxy = launch();
  expect_tunnels(through(proxy, Kind::kSocks5));
  expect_tunnels(with_login(through(proxy, Kind::kSocks5), "ignored", "ignored"));
}
TEST_F(Microsocks, TunnelsForAUserWithThePassword) {
  const test::RealServer proxy = launch({"-u", "user", "-P", "secret"});
  expect_tunnels(with_login(through(proxy, Kind::kSocks5), "user", "secret"));
}
TEST_F(Microsocks, RefusesAWrongPasswordAndNone) {
  const test::RealServer proxy = launch({"-u", "user", "-P", "secret"});
  const Endpoint target = ip("127.0.0.1", destination_.port());
  const policy::Proxy anonymous = through(proxy, Kind::kSocks5);
  EXPECT_EQ(outcome(with_login(anonymous, "user", "wrong"), target), "acces: refuses the user and password");
  EXPECT_EQ(outcome(with_login(anonymous, "other", "secret"), target), "acces: refuses the user and password");
  EXPECT_EQ(outcome(anonymous, target), "acces: asks for authentication");
}
TEST_F(Microsocks, TellsThatTheDestinationRefused) {
  const test::RealServer proxy = launch();
  EXPECT_EQ(outcome(through(proxy, Kind::kSocks5), refused_),
            "connrefused: cannot reach the destination: connection refused (SOCKS5 reply 5)");
}

class Dante : public RealProxyTest {
 protected:
  void SetUp() override {
    RealProxyTest::SetUp();
    if (!test::find_program("danted")) GTEST_SKIP() << "dante-server is not installed";
  }
  test::RealServer launch(const std::string& rules) {
    return test::RealServer([this, rules](uint16_t port) {
      const std::string path = config("logoutput: stderr\ninternal: 127.0.0.1 port = " + std::to_string(port) +
                                      "\nexternal.protocol: ipv4 ipv6\nexternal: lo\n"
                                      "socksmethod: none\nclientmethod: none\nuser.unprivileged: nobody\n"
                                      "client pass { from: 127.0.0.0/8 to: 0/0 }\n" +
                                      rules);
      return std::vector<std::string>{"danted", "-f", path};
    });
  }
};

TEST_F(Dante, TunnelsToAddressesAndNames) {
  const test::RealServer proxy = launch("socks pass { from: 0/0 to: 0/0 }\n");
  expect_tunnels(through(proxy, Kind::kSocks5));
}
TEST_F(Dante, TellsThatItsRulesForbid) {
  const test::RealServer proxy = launch("socks block { from: 0/0 to: 0/0 }\n");
  EXPECT_EQ(outcome(through(proxy, Kind::kSocks5), ip("127.0.0.1", destination_.port())),
            "acces: cannot reach the destination: not allowed by the proxy's rules (SOCKS5 reply 2)");
}
TEST_F(Dante, TellsThatTheDestinationRefused) {
  const test::RealServer proxy = launch("socks pass { from: 0/0 to: 0/0 }\n");
  EXPECT_EQ(outcome(through(proxy, Kind::kSocks5), refused_),
            "connrefused: cannot reach the destination: connection refused (SOCKS5 reply 5)");
}

class Tinyproxy : public RealProxyTest {
 protected:
  void SetUp() override {
    RealProxyTest::SetUp();
    if (!test::find_program("tinyproxy")) GTEST_SKIP() << "tinyproxy-bin is not installed";
  }
  test::RealServer launch(const std::string& more = "") {
    return test::RealServer([this, more](uint16_t port) {
      const std::string path =
          config("Listen 127.0.0.1\nPort " + std::to_string(port) + "\nTimeout 60\nMaxClients 20\n" + more);
      return std::vector<std::string>{"tinyproxy", "-d", "-c", path};
    });
  }
};

TEST_F(Tinyproxy, TunnelsToAddressesAndNames) {
  const test::RealServer proxy = launch();
  expect_tunnels(through(proxy, Kind::kHttp));
}
TEST_F(Tinyproxy, TunnelsForAUserWithThePassword) {
  const test::RealServer proxy = launch("BasicAuth user secret\n");
  expect_tunnels(with_login(through(proxy, Kind::kHttp), "user", "secret"));
}
TEST_F(Tinyproxy, RefusesAWrongPasswordAndNone) {
  const test::RealServer proxy = launch("BasicAuth user secret\n");
  const Endpoint target = ip("127.0.0.1", destination_.port());
  const policy::Proxy anonymous = through(proxy, Kind::kHttp);
  EXPECT_EQ(outcome(anonymous, target), "acces: asks for authentication (HTTP status 407)");
  // It says 401 then, as if it were the destination.
  EXPECT_EQ(code_of(open(with_login(anonymous, "user", "wrong"), target)), Errno::acces);
}
TEST_F(Tinyproxy, TellsThatTheDestinationIsNotReached) {
  const test::RealServer proxy = launch();
  EXPECT_EQ(outcome(through(proxy, Kind::kHttp), refused_),
            "hostunreach: cannot reach the destination (HTTP status 500)");
}
TEST_F(Tinyproxy, TellsThatThePortIsForbidden) {
  const test::RealServer proxy = launch("ConnectPort 1\n");
  EXPECT_EQ(outcome(through(proxy, Kind::kHttp), ip("127.0.0.1", destination_.port())),
            "acces: refuses the destination (HTTP status 403)");
}

class Squid : public RealProxyTest {
 protected:
  void SetUp() override {
    RealProxyTest::SetUp();
    if (!test::find_program("squid")) GTEST_SKIP() << "squid is not installed";
  }
  test::RealServer launch(const std::string& rules) {
    return test::RealServer([this, rules](uint16_t port) {
      const std::string path =
          config("http_port 127.0.0.1:" + std::to_string(port) +
                 "\npid_filename none\naccess_log none\ncache_log /dev/null\ncache deny all\ncache_mem 1 MB\n"
                 "pinger_enable off\nnetdb_filename none\nshutdown_lifetime 0 seconds\nmax_filedescriptors 1024\n" +
                 rules);
      return std::vector<std::string>{"squid", "-N", "-f", path};
    });
  }
  std::string for_users() {
    // "secret", as `openssl passwd -apr1 -salt saltsalt` writes it.
    write_file(directory_ / "users", "user:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0\n");
    return "auth_param basic program /usr/lib/squid/basic_ncsa_auth " + (directory_ / "users") +
           "\nauth_param basic children 1\nacl users proxy_auth REQUIRED\nhttp_access allow users\n";
  }
};

TEST_F(Squid, TunnelsToAddressesAndNames) {
  const test::RealServer proxy = launch("http_access allow all\n");
  expect_tunnels(through(proxy, Kind::kHttp));
}
TEST_F(Squid, TunnelsForAUserWithThePassword) {
  const test::RealServer proxy = launch(for_users());
  expect_tunnels(with_login(through(proxy, Kind::kHttp), "user", "secret"));
}
TEST_F(Squid, RefusesAWrongPasswordAndNone) {
  const test::RealServer proxy = launch(for_users());
  const Endpoint target = ip("127.0.0.1", destination_.port());
  const policy::Proxy anonymous = through(proxy, Kind::kHttp);
  EXPECT_EQ(outcome(anonymous, target), "acces: asks for authentication (HTTP status 407)");
  EXPECT_EQ(outcome(with_login(anonymous, "user", "wrong"), target),
            "acces: refuses the user and password (HTTP status 407)");
}
TEST_F(Squid, TellsThatTheDestinationIsNotReached) {
  const test::RealServer proxy = launch("http_access allow all\n");
  EXPECT_EQ(outcome(through(proxy, Kind::kHttp), refused_),
            "hostunreach: cannot reach the destination (HTTP status 503)");
}
TEST_F(Squid, TellsThatItsRulesForbid) {
  const test::RealServer proxy = launch("http_access deny all\n");
  EXPECT_EQ(outcome(through(proxy, Kind::kHttp), ip("127.0.0.1", destination_.port())),
            "acces: refuses the destination (HTTP status 403)");
}

}  // namespace
}  // namespace wasi_netd::net
