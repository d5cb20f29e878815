// What a hostile host can make the daemon hold: calls that say nothing, replies nobody takes, waits that are given up.
#include <fstream>
#include <vector>

#include "tests/rpc/broker/client.h"
#include "tests/support/raw_http2.h"

namespace wasi_netd::test {
namespace {

constexpr const char* kOpenSession = "/wasi_netd.v1.Broker/OpenSession";
constexpr const char* kResolve = "/wasi_netd.v1.Broker/Resolve";
constexpr const char* kReflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
// With the limits below: a connection has a Transfer, 2 x 3 calls of sessions and 64 brief ones.
constexpr uint64_t kCallsOfConnection = 71;
constexpr uint64_t kStandardCalls = 128;

class LimitsTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string dns = "127.0.0.1:" + std::to_string(silent_dns_.local_port());
    daemon_.add_tenant("acme", R"(
protocols:
  net:
    transport: tcp
    connect: {allow: ["127.0.0.1", "*.slow.test:80"]}
    open: {allow: ["127.0.0.1"]}
    resolver: {servers: [")" + dns +
                                   R"("], timeout: 5m}
limits: {sessions: 3, handles: 10, connections: 8, buffers: 200KiB, host_connections: 6}
)");
    daemon_.start();
  }
  std::string socket_path() const { return daemon_.socket_path("acme"); }
  uint64_t calls() { return daemon_->counts().calls; }
  // How many audit records have both texts.
  size_t records(const std::string& one, const std::string& other) const {
    std::ifstream in(daemon_.audit_file());
    size_t count = 0;
    for (std::string line; std::getline(in, line);) {
      count += line.find(one) != std::string::npos && line.find(other) != std::string::npos;
    }
    return count;
  }

  NativeSocket silent_dns_ = native_bind(native_ip("127.0.0.1", 0), SOCK_DGRAM);
  InProcessDaemon daemon_;
};

TEST_F(LimitsTest, CallsThatSayNothingAreLimitedOverAllHostConnections) {
  {
    std::vector<RawHttp2> hosts;
    for (int i = 0; i < 3; ++i) {
      RawHttp2& host = hosts.emplace_back(socket_path());
      for (uint64_t k = 0; k < kCallsOfConnection; ++k) host.call(kOpenSession);
    }
    eventually([&] { return records("\"event\":\"quota\"", "\"limit\":\"calls\"") == kCallsOfConnection; });
    EXPECT_EQ(calls(), 2 * kCallsOfConnection);
    Host late(socket_path());
    grpc::Status status;
    late.call(&v1::Broker::Stub::Close, v1::HandleRequest(), &status);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  eventually([&] { return calls() == 0; });
  Host host(socket_path());
  EXPECT_TRUE(RawSession(host).opened());
}

TEST_F(LimitsTest, ACallWithoutItsFirstMessageIsCut) {
  Host host(socket_path());
  grpc::ClientContext session_context, transfer_context;
  auto session = host.stub().OpenSession(&session_context);
  auto transfer = host.stub().Transfer(&transfer_context);
  v1::SessionEvent event;
  EXPECT_FALSE(session->Read(&event));
  EXPECT_EQ(session->Finish().error_code(), grpc::StatusCode::CANCELLED);
  v1::TransferReply reply;
  EXPECT_FALSE(transfer->Read(&reply));
  EXPECT_EQ(transfer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  eventually([&] { return calls() == 0; });
}

TEST_F(LimitsTest, RepliesOfReflectionThatNobodyTakesAreFew) {
  std::vector<RawHttp2> hosts;
  for (int i = 0; i < 3; ++i) {
    RawHttp2& host = hosts.emplace_back(socket_path(), 0);
    for (uint64_t k = 0; k < kCallsOfConnection; ++k) {
      host.message(host.call(kReflection), std::string("\x22\x13wasi_netd.v1.Broker"));
    }
  }
  eventually([&] { return calls() == kStandardCalls; });
  // The service proper has its own limit.
  Host host(socket_path());
  EXPECT_TRUE(RawSession(host).opened());
}

TEST_F(LimitsTest, AResolveThatIsCancelledIsOver) {
  Host host(socket_path());
  RawSession session(host);
  v1::ResolveRequest request;
  request.set_session(session.token());
  request.set_protocol(session.protocol("net").handle());
  request.set_name("a.slow.test");
  RawHttp2 raw(socket_path());
  constexpr uint64_t kCalls = 50;
  std::vector<uint32_t> streams;
  for (uint64_t i = 0; i < kCalls; ++i) {
    streams.push_back(raw.call(kResolve));
    raw.message(streams.back(), request.SerializeAsString());
  }
  silent_dns_.wait(POLLIN);
  eventually([&] { return calls() == 1 + kCalls; });
  for (const uint32_t stream : streams) raw.cancel(stream);
  eventually([&] { return calls() == 1; });
}

TEST_F(LimitsTest, AConnectByNameThatIsGivenUpWaitsForNoAnswer) {
  Host host(socket_path());
  RawSession session(host);
  const auto control = session.open("net", "0.0.0.0:0");
  constexpr size_t kConnects = 5;
  for (size_t i = 0; i < kConnects; ++i) {
    const auto connection = session.connect(control.handle(), "b.slow.test:80", true);
    ASSERT_EQ(connection.error(), v1::SUCCESS);
    EXPECT_EQ(session.close(connection.handle()), v1::SUCCESS);
  }
  // The verdict is recorded when the look-up has ended.
  eventually([&] { return records("\"event\":\"decision\"", "b.slow.test:80") == kConnects; });
  ASSERT_EQ(session.connect(control.handle(), "c.slow.test:80", true).error(), v1::SUCCESS);
  session.abandon();
  eventually([&] { return records("\"event\":\"decision\"", "c.slow.test:80") == 1; });
}

TEST_F(LimitsTest, AReadOrWriteWithoutBuffersIsRecorded) {
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  Host host(socket_path());
  RawSession session(host);
  const auto control = session.open("net", "0.0.0.0:0");
  const auto stream = [&] {
    const auto connection = session.connect(control.handle(), "127.0.0.1:" + std::to_string(listener.local_port()));
    const auto made = session.stream_create(connection);
    EXPECT_EQ(made.error(), v1::SUCCESS);
    return made.handle();
  };
  const std::string busy = stream(), poor = stream();
  RawTransfer transfer(host, session.token(), busy);
  ASSERT_EQ(transfer.opened(), v1::SUCCESS);
  EXPECT_EQ(session.read(poor, true).error(), v1::NOBUFS);
  EXPECT_EQ(session.write(poor, std::string(60'000, 'x')).error(), v1::NOBUFS);
  eventually([&] { return records("\"event\":\"quota\"", "\"limit\":\"buffers\"") == 2; });
}

}  // namespace
}  // namespace wasi_netd::test
