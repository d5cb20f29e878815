// A proxy that is spoken to by TLS: a real one, with a certificate that the policy's authority vouches for or does not.
#include <poll.h>

#include "tests/e2e/protocols/protocols_test.h"
#include "tests/support/real_server.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;

class HttpsProxyTest : public ProtocolsTest {
 protected:
  void SetUp() override {
    if (!find_program("squid")) GTEST_SKIP() << "squid is not installed";
    Profile profile;
    profile.names = "IP:127.0.0.1";
    const Issued identity = root_.issue(profile);
    // squid runs as another user.
    std::filesystem::permissions(path(""), std::filesystem::perms(0755));
    const std::string certificate = file("proxy.pem", identity.certificate_pem() + pem(identity.key));
    std::filesystem::permissions(certificate, std::filesystem::perms(0644));
    proxy_ = std::make_unique<RealServer>([&](uint16_t port) {
      const std::string config =
          file("squid.conf", "https_port 127.0.0.1:" + std::to_string(port) + " tls-cert=" + certificate +
                                 "\npid_filename none\naccess_log none\ncache_log /dev/null\ncache deny all\n"
                                 "cache_mem 1 MB\npinger_enable off\nnetdb_filename none\nshutdown_lifetime 0 seconds\n"
                                 "max_filedescriptors 1024\nhttp_access allow all\n");
      std::filesystem::permissions(config, std::filesystem::perms(0644));
      return std::vector<std::string>{"squid", "-N", "-f", config};
    });
  }
  // `authority`: whose certificate the proxy must have.
  std::string through_proxy(const Authority& authority) {
    return "    proxy: {url: \"https://" + where() + "\", ca: " + file("proxy-ca.pem", authority.certificate_pem()) +
           "}\n";
  }
  std::string where() const { return "127.0.0.1:" + std::to_string(proxy_->port()); }
  std::vector<std::string> hear(const std::string& protocol) {
    return lines_of(run(guest("semantics", {"c= open " + protocol + " 0.0.0.0:0",
                                            "k= connect c " + address_of(destination_), "s= create k", "read s 5"}))
                        .out);
  }

  std::unique_ptr<RealServer> proxy_;
  NativeSocket destination_ = native_listen(native_ip("127.0.0.1", 0));
};

TEST_F(HttpsProxyTest, LeadsToTheDestinationInTheClearAndWithTlsInside) {
  Profile profile;
  profile.names = "IP:127.0.0.1";
  const Issued identity = root_.issue(profile);
  acme("protocols:\n" + client_protocol("plain", through_proxy(root_)) +
       client_protocol("secure", through_proxy(root_) +
                                     "    tls: {role: client, ca: " + file("ca.pem", root_.certificate_pem()) + "}\n"));
  start_daemon();
  auto plain = std::async(std::launch::async, [&] {
    NativeSocket peer = destination_.accept();
    peer.write_all("plain");
    return peer.read_to_end();
  });
  auto answers = hear("plain");
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[3], "success n=5 data=plain");
  plain.wait();
  auto secure = std::async(std::launch::async, [&] {
    NativeTlsSetup setup;
    setup.identity = &identity;
    NativeTls peer(destination_.accept(), native_tls_context(true, setup), true);
    EXPECT_EQ(peer.handshake(), "");
    peer.write_all("inner");
    return peer.read_to_end();
  });
  answers = hear("secure");
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[3], "success n=5 data=inner");
  secure.wait();
}

TEST_F(HttpsProxyTest, WithAnotherAuthoritysCertificateIsRefusedAndToldNothing) {
  acme("protocols:\n" + client_protocol("plain", through_proxy(Authority("Other Root"))));
  start_daemon();
  EXPECT_EQ(connect("plain", address_of(destination_)), "connaborted");
  pollfd knocked = {destination_.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&knocked, 1, 0), 0) << "the proxy was asked";
  const std::string record = end_of_connection();
  EXPECT_THAT(record, HasSubstr("\"errno\":\"connaborted\""));
  EXPECT_THAT(record, HasSubstr("proxy " + where()));
  EXPECT_THAT(record, HasSubstr("the peer's certificate is refused"));
  EXPECT_THAT(record, HasSubstr("\"bytes_in\":0,\"bytes_out\":0"));
}

}  // namespace
}  // namespace wasi_netd::test
