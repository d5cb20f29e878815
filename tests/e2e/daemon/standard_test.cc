// The daemon's standard services as a client of another language sees them: Debian's python3-grpcio, which has none of
// our proto files and learns everything by reflection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/daemon_process.h"

namespace wasi_netd::test {
namespace {

TEST(StandardServices, APythonClientLearnsAndUsesThem) {
  Process::Start look;
  look.arguments = {"/usr/bin/python3", "-c", "import grpc, google.protobuf"};
  if (run(look).exit != Process::Exit{0, 0}) GTEST_SKIP() << "needs python3-grpcio for /usr/bin/python3";

  DaemonProcess daemon;
  daemon.add_tenant("acme");
  ASSERT_TRUE(daemon.start()) << daemon.process().standard_error();
  Process::Start client;
  client.arguments = {"/usr/bin/python3", WASI_NETD_STANDARD_CLIENT, daemon.socket_path("acme")};
  const Outcome outcome = run(std::move(client));
  EXPECT_EQ(outcome.exit, (Process::Exit{0, 0})) << outcome.out << outcome.error;
  EXPECT_THAT(outcome.out, testing::EndsWith("all as expected\n"));
  daemon.process().kill(SIGTERM);
  EXPECT_EQ(daemon.process().wait(), (Process::Exit{0, 0})) << daemon.process().standard_error();
}

}  // namespace
}  // namespace wasi_netd::test
