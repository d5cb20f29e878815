// Two tenants' guests in one host process, and a guest that tries what it may not do.
#include "tests/e2e/host/host_test.h"

namespace wasi_netd::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using TenantsTest = HostTest;

TEST_F(TenantsTest, OneTenantsRulesDoNotHelpAnotherInTheSameHostProcess) {
  NativeSocket server = native_listen(native_ip("127.0.0.1", 0));
  const std::string address = address_of(server);
  const std::string only_a = "protocols: {net: {transport: tcp, connect: {allow: [\"" + address +
                             "\"]}}, secret: {transport: tcp, connect: {allow: [\"" + address + "\"]}}}\n";
  daemon_.add_tenant("tenant-a", only_a);
  daemon_.add_tenant("tenant-b", "protocols: {net: {transport: tcp, connect: {allow: [\"127.0.0.1:1\"]}}}\n");
  start_daemon();

  const std::vector<std::string> attempts = {"protocol secret", "c= open net 0.0.0.0:0", "connect c " + address};
  // An fd of a's guest (its protocols are 3 and 4, its control is 5) is a number without meaning to b's.
  std::vector<std::string> more_attempts = attempts;
  more_attempts.insert(more_attempts.end(), {"local 5", "connect 5 " + address, "create 6", "close 5"});
  const Outcome host = run(manifest({{"tenant-a", "semantics", attempts, {"stdout: " + path("a")}},
                                     {"tenant-b", "semantics", more_attempts, {"stdout: " + path("b")}}}));
  EXPECT_EQ(host.exit, kDone) << host.out << host.error;
  const auto of_a = lines_of(contents(path("a")));
  const auto of_b = lines_of(contents(path("b")));
  ASSERT_THAT(of_a, SizeIs(3));
  ASSERT_THAT(of_b, SizeIs(7));
  EXPECT_THAT(of_a[0], HasSubstr("success"));
  EXPECT_THAT(of_a[2], HasSubstr("success"));
  EXPECT_EQ(of_b[0], "noent");
  EXPECT_THAT(of_b[1], HasSubstr("success"));
  EXPECT_EQ(of_b[2], "acces");
  EXPECT_EQ(of_a[1], "success fd=5");
  for (size_t i = 3; i < of_b.size(); ++i) EXPECT_EQ(of_b[i], "badf") << more_attempts[i];

  server.accept();  // a's, over at once
  EXPECT_EQ(::fcntl(server.fd(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(::accept4(server.fd(), nullptr, nullptr, SOCK_CLOEXEC), -1) << "b's guest reached the server";

  end_daemon();
  const std::string asked = "\"address\":\"" + address + "\"";
  EXPECT_THAT(records({"\"event\":\"decision\"", "\"tenant\":\"tenant-a\"", asked, "\"verdict\":\"allow\""}),
              SizeIs(1));
  EXPECT_THAT(records({"\"event\":\"decision\"", "\"tenant\":\"tenant-b\"", asked, "\"verdict\":\"deny\""}), SizeIs(1));
  EXPECT_THAT(records({"\"tenant\":\"tenant-b\"", "\"verdict\":\"allow\"", asked}), IsEmpty());
}

class DeniedTest : public EngineTest {};
WASI_NETD_WITH_ENGINES(DeniedTest);

TEST_P(DeniedTest, EveryAttemptIsRefusedAndRecorded) {
  NativeSocket server = native_listen(native_ip("127.0.0.1", 0));
  acme("protocols: {web: {transport: tcp, connect: {allow: [\"192.0.2.1:443\"]}}}\n");
  start_daemon();
  const Outcome host = run(guest("denied", {"web", address_of(server)}, engine()));
  EXPECT_EQ(host.exit, kDone) << host.out << host.error;

  end_daemon();
  for (const std::string& address :
       {std::string("169.254.169.254:80"), std::string("127.0.0.1:22"), std::string("[::1]:22"),
        std::string("[::ffff:127.0.0.1]:22"), std::string("not-in-the-policy.invalid:443"), address_of(server)}) {
    EXPECT_THAT(records({"\"operation\":\"connect\"", "\"address\":\"" + address + "\"", "\"verdict\":\"deny\""}),
                SizeIs(1))
        << address;
  }
  EXPECT_THAT(records({"\"operation\":\"open\"", "\"address\":\"0.0.0.0:22\"", "\"verdict\":\"deny\""}), SizeIs(1));
  EXPECT_THAT(records({"\"operation\":\"resolve\"", "not-in-the-policy.invalid", "\"verdict\":\"deny\""}), SizeIs(1));
}

}  // namespace
}  // namespace wasi_netd::test
