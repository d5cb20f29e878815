// One host process with sessions of two tenants: the tokens of one are nothing to the other.
#include <gtest/gtest.h>

#include "tests/e2e/daemon/host_session.h"
#include "tests/support/daemon_process.h"

namespace wasi_netd::test {
namespace {

constexpr const char* kLoopback = "protocols: {web: {transport: tcp, connect: {allow: [\"127.0.0.1:1-65535\"]}}}\n";

TEST(TokensTest, AHostOfTwoTenantsCannotUseTheTokensOfOneAsTheOther) {
  DaemonProcess daemon;
  daemon.add_tenant("tenant-a", kLoopback);
  daemon.add_tenant("tenant-b");
  ASSERT_TRUE(daemon.start()) << daemon.process().standard_error();
  NativeSocket server = native_listen(native_ip("127.0.0.1", 0));
  const std::string address = "127.0.0.1:" + std::to_string(server.local_port());
  HostSession a(daemon.socket_path("tenant-a")), b(daemon.socket_path("tenant-b"));
  ASSERT_TRUE(a.is_open());
  ASSERT_TRUE(b.is_open());
  const v1::HandleReply control = a.open();
  ASSERT_EQ(control.error(), v1::SUCCESS);

  // With its own session b has no such handle; what it has itself reaches nothing.
  EXPECT_EQ(b.connect(control.handle(), address), v1::BADF);
  EXPECT_EQ(b.connect(address), v1::ACCES);
  // With a's session it has no session.
  v1::ConnectRequest request;
  request.set_session(a.token());
  request.set_control(control.handle());
  request.set_address(address);
  v1::HandleReply reply;
  EXPECT_EQ(b.call(&v1::Broker::Stub::Connect, request, &reply).error_code(), grpc::StatusCode::UNAUTHENTICATED);

  EXPECT_EQ(a.connect(control.handle(), address), v1::SUCCESS);
}

}  // namespace
}  // namespace wasi_netd::test
