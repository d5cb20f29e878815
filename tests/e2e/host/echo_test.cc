// A serving guest under many clients, and bytes that a guest leaves behind when it exits.
#include <sys/resource.h>

#include "tests/e2e/host/host_test.h"

namespace wasi_netd::test {
namespace {

// All clients are connected before the first one speaks, and all have spoken before the first one is answered.
void echo(uint16_t port, size_t count, size_t bytes) {
  std::vector<NativeSocket> clients;
  for (size_t i = 0; i < count; ++i) clients.push_back(native_connect(native_ip("127.0.0.1", port)));
  const auto said = [&](size_t i) { return pattern(bytes, static_cast<uint32_t>(i) + 1); };
  for (size_t i = 0; i < count; ++i) clients[i].write_all(said(i));
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(clients[i].read(bytes), said(i)) << "client " << i;
  for (auto& client : clients) client.shutdown_write();
  for (size_t i = 0; i < count; ++i) EXPECT_EQ(clients[i].read_to_end(), "") << "client " << i;
}

class EchoTest : public EngineTest {};
WASI_NETD_WITH_ENGINES(EchoTest);

TEST_P(EchoTest, AFewClientsGetBackWhatTheySent) {
  acme();
  start_daemon();
  Process host(guest("echo_server", {"net", "127.0.0.1:0", "--connections", "5"}, engine()));
  echo(announced_port(host), 5, 20'000);
  EXPECT_EQ(host.wait(), kDone) << host.standard_error();
}

using ManyClientsTest = HostTest;

TEST_F(ManyClientsTest, AThousandClientsAtOnceGetBackWhatTheySent) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < 4000) GTEST_SKIP() << "needs a hard limit of 4000 open files, has " << files.rlim_max;

  acme(std::string(kLoopback) + "limits: {connections: 1100, handles: 3000, buffers: 256MiB}\n");
  start_daemon();
  Process host(guest("echo_server", {"net", "127.0.0.1:0", "--connections", "1000"}));
  echo(announced_port(host), 1000, 4000);
  EXPECT_EQ(host.wait(), kDone) << host.standard_error();
}

class LeavingTest : public EngineTest {};
WASI_NETD_WITH_ENGINES(LeavingTest);

// A receive buffer of a few KiB: the guest is gone long before its last byte has left the daemon.
TEST_P(LeavingTest, AGuestThatWritesAMegabyteAndExitsIsHeardToTheEnd) {
  acme();
  start_daemon();
  const NativeAddress any = native_ip("127.0.0.1", 0);
  for (const char* last : {"close s", "exit 0"}) {
    NativeSocket server = native_bind(any);
    server.set_option(SOL_SOCKET, SO_RCVBUF, 4096);
    ASSERT_EQ(::listen(server.fd(), 1), 0);
    Process host(
        guest("semantics",
              {"c= open net 0.0.0.0:0", "k= connect c " + address_of(server), "s= create k", "fill s 1048576", last},
              engine()));
    NativeSocket peer = server.accept();
    std::string expected(1048576, '\0');
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<char>(i % 251);
    EXPECT_TRUE(peer.read_to_end() == expected) << last;
    EXPECT_EQ(host.wait(), kDone) << host.standard_error();
  }
}

}  // namespace
}  // namespace wasi_netd::test
