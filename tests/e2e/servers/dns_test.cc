// A guest that asks real name servers.
#include "tests/e2e/servers/server_test.h"
#include "tests/support/dns_server.h"

namespace wasi_netd::test {
namespace {

class DnsTest : public EngineTest {
 protected:
  void SetUp() override {
    if (!Dnsmasq::installed()) GTEST_SKIP() << "needs dnsmasq (package dnsmasq-base)";
    std::vector<std::string> records = {"--listen-address=::1", "--host-record=one.example,192.0.2.7,2001:db8::7,600"};
    for (int i = 1; i <= 25; ++i) {
      records.push_back("--host-record=many.example,198.51.100." + std::to_string(i) + ",600");
    }
    dns_ = std::make_unique<Dnsmasq>(records);
    acme("protocols:\n  dns:\n    transport: udp\n    connect: {allow: [\"" + at("127.0.0.1") + "\", \"" + at("[::1]") +
         "\"]}\n");
    start_daemon();
  }
  std::string at(const std::string& host) const { return host + ":" + std::to_string(dns_->port()); }
  std::vector<std::string> ask(const std::string& server, const std::vector<std::string>& question) {
    std::vector<std::string> arguments = {"dns", server};
    arguments.insert(arguments.end(), question.begin(), question.end());
    const Outcome guest = run(this->guest("dns_client", arguments, engine()));
    EXPECT_EQ(guest.exit, kDone) << guest.error;
    std::vector<std::string> lines = lines_of(guest.out);
    std::ranges::sort(lines);
    return lines;
  }
  std::unique_ptr<Dnsmasq> dns_;
};
WASI_NETD_WITH_ENGINES(DnsTest);

TEST_P(DnsTest, AGuestResolvesNamesOverAConnectionAndBySendTo) {
  for (const std::string& server : {at("127.0.0.1"), at("[::1]")}) {
    for (const bool connected : {true, false}) {
      const auto with = [&](std::vector<std::string> question) {
        if (!connected) question.push_back("--send-to");
        return ask(server, question);
      };
      EXPECT_EQ(with({"one.example"}), std::vector<std::string>{"192.0.2.7"});
      EXPECT_EQ(with({"one.example", "--ipv6"}), std::vector<std::string>{"2001:db8:0:0:0:0:0:7"});
      EXPECT_EQ(with({"many.example"}).size(), 25U);
    }
  }
}

TEST_P(DnsTest, ANameServerThatThePolicyDoesNotAllowHearsNothing) {
  const Outcome guest = run(this->guest("dns_client", {"dns", "127.0.0.1:53", "one.example", "--send-to"}, engine()));
  EXPECT_EQ(guest.exit, (Process::Exit{1, 0}));
  EXPECT_EQ(guest.error, "127.0.0.1:53: acces\n");
}

}  // namespace
}  // namespace wasi_netd::test
