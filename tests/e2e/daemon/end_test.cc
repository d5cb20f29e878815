// How the program ends: signals with and without sessions, and sinks that nobody reads.
#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/e2e/daemon/host_session.h"
#include "tests/support/daemon_process.h"
#include "tests/support/raw_http2.h"

namespace wasi_netd::test {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;
using testing::Not;

constexpr Process::Exit kDone{0, 0};
constexpr const char* kLoopback = "protocols: {web: {transport: tcp, connect: {allow: [\"127.0.0.1:1-65535\"]}}}\n";

class EndTest : public testing::Test {
 protected:
  EndTest() { daemon_.add_tenant("acme", kLoopback); }
  void start(const std::string& settings) {
    daemon_.configure(settings);
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  }
  Process& process() { return daemon_.process(); }
  std::string socket() const { return daemon_.socket_path("acme"); }

  DaemonProcess daemon_;
};

TEST_F(EndTest, ATerminationWithoutSessionsEndsAtOnceAndLeavesNoSocket) {
  start("drain: 60m\n");
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().notifications(), HasSubstr("\nSTOPPING=1\n"));
  EXPECT_THAT(process().standard_error(), HasSubstr("SIGTERM from process " + std::to_string(getpid())));
  EXPECT_THAT(process().standard_error(), HasSubstr(" info stopped\n"));
  EXPECT_FALSE(std::filesystem::exists(socket()));
}

TEST_F(EndTest, AnInterruptIsATermination) {
  start("drain: 60m\n");
  process().kill(SIGINT);
  EXPECT_EQ(process().wait(), kDone);
}

TEST_F(EndTest, ASessionIsAskedToEndAndTheDaemonLeavesWithTheLast) {
  start("drain: 60m\n");
  HostSession session(socket());
  ASSERT_TRUE(session.is_open());
  process().kill(SIGTERM);
  EXPECT_TRUE(session.read().has_closing());
  EXPECT_TRUE(process().wait_notified("STOPPING=1"));
  EXPECT_TRUE(session.end().ok());
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().standard_error(), Not(HasSubstr("cut off")));
}

TEST_F(EndTest, WhileItDrainsNoHostGetsInAndHealthSaysSo) {
  start("drain: 60m\n");
  const auto health = Health::NewStub(host_channel(socket()));
  grpc::ClientContext context;
  const auto watch = health->Watch(&context, HealthCheckRequest());
  HealthCheckResponse state;
  ASSERT_TRUE(watch->Read(&state));
  EXPECT_EQ(state.status(), HealthCheckResponse::SERVING);
  HostSession session(socket());
  ASSERT_TRUE(session.is_open());

  process().kill(SIGTERM);
  ASSERT_TRUE(watch->Read(&state));
  EXPECT_EQ(state.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_THROW(native_connect(native_unix(socket())), std::system_error);
  EXPECT_TRUE(session.read().has_closing());
  session.end();
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_FALSE(watch->Read(&state));
  EXPECT_FALSE(watch->Finish().ok());
}

TEST_F(EndTest, ASessionThatDoesNotEndIsCutOffAfterTheDrainTime) {
  start("drain: 100ms\n");
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  HostSession session(socket());
  ASSERT_TRUE(session.is_open());
  ASSERT_EQ(session.connect("127.0.0.1:" + std::to_string(listener.local_port())), v1::SUCCESS);
  NativeSocket peer = listener.accept();
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().standard_error(), HasSubstr("drain: 1 session and 1 connection cut off"));
  EXPECT_EQ(peer.read_error(), ECONNRESET);
  EXPECT_FALSE(session.finish().ok());
}

TEST_F(EndTest, ASecondTerminationDoesNotWait) {
  start("drain: 60m\n");
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  HostSession session(socket());
  ASSERT_TRUE(session.is_open());
  ASSERT_EQ(session.connect("127.0.0.1:" + std::to_string(listener.local_port())), v1::SUCCESS);
  NativeSocket peer = listener.accept();
  process().kill(SIGTERM);
  ASSERT_TRUE(process().wait_notified("STOPPING=1"));
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().standard_error(), HasSubstr("second signal: 1 session and 1 connection cut off"));
  EXPECT_EQ(peer.read_error(), ECONNRESET);  // not a clean end: the guest had not finished
}

TEST_F(EndTest, AHangUpSignalIsAnsweredInTheLogAndServingGoesOn) {
  start("drain: 60m\n");
  process().kill(SIGHUP);
  EXPECT_TRUE(process().wait_stderr("cannot reload"));
  HostSession session(socket());
  ASSERT_TRUE(session.is_open());
  process().kill(SIGTERM);
  EXPECT_TRUE(session.read().has_closing());
  process().kill(SIGHUP);
  EXPECT_TRUE(session.end().ok());
  EXPECT_EQ(process().wait(), kDone);
}

TEST_F(EndTest, AKilledHostLeavesNothingToDrain) {
  start("drain: 60m\n");
  {
    HostSession session(socket());
    ASSERT_TRUE(session.is_open());
  }  // cancelled, connection closed
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
}

// A host's calls go on although nothing takes the daemon's output.
void expect_service(const std::string& socket) {
  HostSession session(socket);
  ASSERT_TRUE(session.is_open());
  for (int i = 0; i < 200; ++i) ASSERT_EQ(session.connect("192.0.2.1:80"), v1::ACCES);
  EXPECT_TRUE(session.end().ok());
}

TEST_F(EndTest, AuditRecordsThatNobodyReadsHoldUpNothing) {
  daemon_.configure("audit: {queue: 16}\n");
  Process::Start start = daemon_.command();
  start.stdout_blocked = true;
  ASSERT_TRUE(daemon_.launch(std::move(start)).wait_ready()) << process().standard_error();
  expect_service(socket());
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().standard_error(), testing::ContainsRegex("audit: [0-9]+ records lost in all"));
}

TEST_F(EndTest, ALogThatNobodyReadsHoldsUpNothing) {
  daemon_.configure("log: {level: trace}\n");
  Process::Start start = daemon_.command();
  start.stderr_blocked = true;
  ASSERT_TRUE(daemon_.launch(std::move(start)).wait_ready());
  expect_service(socket());
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().standard_output(), HasSubstr("\"verdict\":\"deny\""));
}

// gRPC complains about each of these headers, and quotes it.
constexpr const char* kAnyCall = "/wasi_netd.v1.Broker/OpenSession";

TEST_F(EndTest, ComplaintsOfGrpcThatNobodyReadsHoldUpNothing) {
  daemon_.configure("linger: 100ms\n");
  Process::Start start = daemon_.command();
  start.stderr_blocked = true;
  ASSERT_TRUE(daemon_.launch(std::move(start)).wait_ready());
  std::vector<RawHttp2> hosts;
  for (int i = 0; i < 20; ++i) {
    RawHttp2& host = hosts.emplace_back(socket());
    try {
      for (int k = 0; k < 50; ++k) host.call(kAnyCall, {{":status", std::string(2000, 'x')}});
    } catch (const std::system_error&) {  // cut off: as good
    }
  }
  expect_service(socket());
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
}

TEST_F(EndTest, AHeaderThatGrpcQuotesForgesNoLine) {
  start("");
  RawHttp2 host(socket());
  host.call(kAnyCall, {{":status", "x\n2024-05-01T12:00:00.000Z info forged\x1b[31m"}});
  EXPECT_TRUE(process().wait_stderr(" warning grpc "));
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  EXPECT_THAT(process().standard_error(), HasSubstr("forged"));
  EXPECT_THAT(process().standard_error(), Not(HasSubstr("\n2024-05-01")));
  EXPECT_THAT(process().standard_error(), Not(HasSubstr("\x1b")));
}

TEST_F(EndTest, AFloodOfComplaintsIsCountedAndNotWritten) {
  start("");
  RawHttp2 host(socket());
  constexpr int kComplaints = 5000;
  std::string calls;
  for (int i = 0; i < kComplaints; ++i) {
    calls += http2::frame(http2::kHeaders, http2::kEndHeaders, host.next_stream(),
                          RawHttp2::headers(kAnyCall, {{":status", "x"}}));
  }
  EXPECT_EQ(host.send(calls, true), calls.size());
  // The daemon has taken in all of them when it answers what came behind them.
  HostSession session(socket());
  ASSERT_TRUE(session.is_open());
  EXPECT_TRUE(session.end().ok());
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  const std::string log = process().standard_error();
  EXPECT_LT(std::count(log.begin(), log.end(), '\n'), kComplaints / 5);
  EXPECT_THAT(log, HasSubstr(" warning grpc "));
}

TEST_F(EndTest, TheAuditFileHoldsEveryRecordAfterTheEnd) {
  const std::string file = daemon_.directory() + "/audit.jsonl";
  start("audit: {file: " + file + "}\n");
  expect_service(socket());
  process().kill(SIGTERM);
  EXPECT_EQ(process().wait(), kDone);
  std::ifstream in(file);
  int denied = 0;
  for (std::string line; std::getline(in, line);) denied += line.find("\"verdict\":\"deny\"") != std::string::npos;
  EXPECT_EQ(denied, 200);
  EXPECT_EQ(process().standard_output(), "");
}

}  // namespace
}  // namespace wasi_netd::test
