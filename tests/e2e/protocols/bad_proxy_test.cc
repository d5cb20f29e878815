// Proxies that do not do what they should: the guest's errno, the reason in the audit record, and no byte for the
// guest.
#include <poll.h>

#include "tests/e2e/protocols/protocols_test.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;

struct BadProxy {
  const char* name;
  const char* kind;   // of the URL
  std::string reply;  // to the first bytes it gets; empty: none
  bool stays;         // else it closes behind the reply
  const char* errno_name;
  bool drips = false;  // a byte of the reply every 20 ms
};
std::ostream& operator<<(std::ostream& out, const BadProxy& proxy) { return out << proxy.name; }

const std::string kGreeting("\x05\x00", 2);

const BadProxy kBadProxies[] = {
    {"SocksThatSaysNothing", "socks5", "", true, "timedout"},
    {"SocksThatDrips", "socks5", kGreeting + std::string("\x05\x00\x00\x03\xff", 5) + std::string(255, 'a'), true,
     "timedout", true},
    {"HttpThatDrips", "http", "HTTP/1.1 200 OK\r\nVia: " + std::string(255, 'a'), true, "timedout", true},
    {"SocksThatClosesAtOnce", "socks5", "", false, "connaborted"},
    {"SocksOfAWrongVersion", "socks5", std::string("\x04\x5a\x00\x00\x00\x00\x00\x00", 8), false, "proto"},
    {"SocksThatWantsAnotherMethod", "socks5", "\x05\xff", false, "acces"},
    {"SocksWithHalfAReply", "socks5", kGreeting + std::string("\x05\x00\x00", 3), false, "connaborted"},
    {"SocksThatRefusesTheDestination", "socks5",
     kGreeting + std::string("\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", 10), false, "connrefused"},
    {"SocksWithAnUnknownAddressType", "socks5", kGreeting + std::string("\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00", 10),
     false, "proto"},
    {"HttpThatSaysNothing", "http", "", true, "timedout"},
    {"HttpThatClosesAtOnce", "http", "", false, "connaborted"},
    {"HttpThatIsNone", "http", "SSH-2.0-server\r\n", false, "proto"},
    {"HttpWithHalfAHead", "http", "HTTP/1.1 200 OK\r\nVia: ", false, "connaborted"},
    {"HttpWithAnEndlessHead", "http", "HTTP/1.1 200 OK\r\nVia: " + std::string(64 * 1024, 'x'), true, "msgsize"},
    {"HttpThatAsksForAuthentication", "http", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false, "acces"},
    {"HttpThatForbids", "http", "HTTP/1.1 403 Forbidden\r\n\r\n", false, "acces"},
    {"HttpThatDoesNotReachIt", "http", "HTTP/1.1 502 Bad Gateway\r\n\r\n", false, "hostunreach"},
};

// Until the daemon has had enough.
void drip(NativeSocket& peer, const std::string& reply) {
  for (const char byte : reply) {
    peer.write_all(std::string(1, byte));
    pollfd gone = {peer.fd(), POLLRDHUP, 0};
    if (::poll(&gone, 1, 20) != 0) return;
  }
}

class BadProxyTest : public ProtocolsTest, public testing::WithParamInterface<BadProxy> {};
INSTANTIATE_TEST_SUITE_P(Proxies, BadProxyTest, testing::ValuesIn(kBadProxies),
                         [](const auto& proxy) { return std::string(proxy.param.name); });

TEST_P(BadProxyTest, PROXY_1_EndsTheConnectWithItsErrnoAndTheReasonInTheAuditRecord) {
  const BadProxy& bad = GetParam();
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  const std::string where = "127.0.0.1:" + port_of(listener);
  const char* timeout = std::string_view(bad.errno_name) == "timedout" ? "200ms" : "30s";
  acme("protocols:\n" + client_protocol("through", "    proxy: {url: \"" + std::string(bad.kind) + "://" + where +
                                                       "\", timeout: " + timeout + "}\n"));
  start_daemon();
  auto proxy = std::async(std::launch::async, [&] {
    NativeSocket peer = listener.accept();
    if (peer.read(3).size() < 3) return;  // each protocol's first message is longer
    try {
      if (bad.drips) {
        drip(peer, bad.reply);
      } else {
        peer.write_all(bad.reply);
      }
    } catch (const std::system_error&) {  // it heard enough
    }
    if (!bad.stays) peer.shutdown_write();
    char rest[4096];
    while (::recv(peer.fd(), rest, sizeof rest, 0) > 0) {
    }
  });
  EXPECT_EQ(connect("through", "server.test:80"), bad.errno_name);
  const std::string record = end_of_connection();
  EXPECT_THAT(record, HasSubstr(std::string("\"errno\":\"") + bad.errno_name + "\""));
  EXPECT_THAT(record, HasSubstr("proxy " + where));
  EXPECT_THAT(record, HasSubstr("\"bytes_in\":0,\"bytes_out\":0"));
  proxy.wait();
}

using ProxyRules = ProtocolsTest;

TEST_F(ProxyRules, PROXY_2_WhatThePolicyDeniesIsNotAskedOfTheProxy) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  acme("protocols:\n" +
       client_protocol("through", "    proxy: {url: \"socks5://127.0.0.1:" + port_of(listener) + "\"}\n"));
  start_daemon();
  EXPECT_EQ(connect("through", "192.0.2.1:80"), "acces");
  EXPECT_EQ(connect("through", "other.test:80"), "acces");
  end_daemon();
  pollfd knocked = {listener.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&knocked, 1, 0), 0) << "somebody came";
}

// Where the proxy stands is the operator's choice, what is asked of it is not.
TEST_F(ProxyRules, TheProxysOwnAddressNeedsNoRuleAndGivesTheGuestNone) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  acme(
      "protocols:\n  through:\n    transport: tcp\n    connect: {allow: [\"203.0.113.5:80\"]}\n"
      "    proxy: {url: \"socks5://127.0.0.1:" +
      port_of(listener) + "\"}\n");
  start_daemon();
  EXPECT_EQ(connect("through", address_of(listener)), "acces");
  auto proxy = std::async(std::launch::async, [&] {
    NativeSocket peer = listener.accept();
    peer.read(3);
    peer.write_all(kGreeting);
    std::string request = peer.read(10);
    peer.write_all(std::string("\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", 10));
    return request;
  });
  EXPECT_EQ(connect("through", "203.0.113.5:80"), "connrefused");
  EXPECT_EQ(proxy.get(), std::string("\x05\x01\x00\x01\xcb\x00\x71\x05\x00\x50", 10));
}

TEST_F(ProxyRules, AnUnreachableProxyIsToldApartFromTheDestination) {
  const NativeSocket nobody = native_bind(native_ip("127.0.0.1", 0));
  acme("protocols:\n" + client_protocol("through", "    proxy: {url: \"http://127.0.0.1:" + port_of(nobody) + "\"}\n"));
  start_daemon();
  EXPECT_EQ(connect("through", "server.test:80"), "connrefused");
  EXPECT_THAT(end_of_connection(), HasSubstr("proxy 127.0.0.1:" + port_of(nobody)));
}

}  // namespace
}  // namespace wasi_netd::test
