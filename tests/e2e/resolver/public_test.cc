// Public addresses: in a network of the test's own, where they are loopback's.
#include <thread>

#include "tests/e2e/engines/own_network.h"
#include "tests/e2e/resolver/resolver_test.h"

namespace wasi_netd::test {
namespace {

class PublicTest : public ResolverTest {
 protected:
  // For the calling thread and what it starts.
  static std::string enter_network_with(const std::string& address) {
    if (std::string none = enter_own_network(); !none.empty()) return none;
    const auto ip = find_program("ip");
    if (!ip) return "iproute2 is not installed";
    const Outcome outcome = run({{*ip, "address", "add", address + "/32", "dev", "lo"}});
    return outcome.exit == kDone ? "" : outcome.error;
  }
  void rebind() {
    Places places({"9.9.9.9", "127.0.0.1"});
    knot_ = std::make_unique<Knot>("rebind A 9.9.9.9\n");
    dns_ = std::make_unique<DnsRelay>(knot_->port(), 53);
    acme("protocols:\n  net:\n    transport: tcp\n    connect: {allow: [\"rebind.test:" + places.port() +
         "\"]}\n    resolver: {servers: [\"127.0.0.1\"]}\n");
    start_daemon();
    guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
    ASSERT_THAT(ask("c= open net 0.0.0.0:0"), StartsWith("success"));
    EXPECT_EQ(connect("rebind.test", places.port()), "success") << "a name leads to public addresses";
    EXPECT_EQ(peer(), "9.9.9.9:" + places.port());
    EXPECT_EQ(connect("9.9.9.9", places.port()), "acces") << "the address by itself is not allowed";
    knot_->serve("rebind A 127.0.0.1\nrebind A 9.9.9.9\n");
    EXPECT_EQ(connect("rebind.test", places.port()), "success");
    EXPECT_EQ(peer(), "9.9.9.9:" + places.port());
    knot_->serve("rebind A 127.0.0.1\n");
    EXPECT_EQ(connect("rebind.test", places.port()), "acces");
    EXPECT_TRUE(places.untouched(1));
    EXPECT_THAT(dns_->take_queries(), testing::SizeIs(6)) << "two for each connect by name, at port 53";
    // A process dies with the thread that started it.
    guest_.reset();
    end_daemon();
    dns_.reset();
    knot_.reset();
  }
};

TEST_F(PublicTest, ANameRuleReachesThemAndNothingBehindThem) {
  std::string none;
  // A network of its own belongs to a thread; the others of this program keep theirs.
  std::thread([&] {
    none = enter_network_with("9.9.9.9");
    if (none.empty()) rebind();
  }).join();
  if (!none.empty()) GTEST_SKIP() << none;
}

}  // namespace
}  // namespace wasi_netd::test
