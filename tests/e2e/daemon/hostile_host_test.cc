// Hosts that the tenant admits and that turn HTTP/2 against the daemon: what they can make it hold and compute, and for
// how long. And what looks like it and is not.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/daemon/host_session.h"
#include "tests/support/daemon_process.h"
#include "tests/support/proc.h"
#include "tests/support/raw_http2.h"

namespace wasi_netd::test {
namespace {

constexpr Process::Exit kDone{0, 0};
// 873 calls at a time on a connection.
constexpr const char* kLimits = "limits: {host_connections: 4, sessions: 200, buffers: 64MiB}\n";
constexpr const char* kUnknown = "/none/Such";
constexpr const char* kClose = "/wasi_netd.v1.Broker/Close";
constexpr uint8_t kWhole = http2::kEndHeaders | http2::kEndStream;
constexpr size_t kMiB = 1 << 20;

class HostileHostTest : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.add_tenant("acme", std::string(DaemonProcess::kNothing) + kLimits);
    daemon_.configure("drain: 100ms\n");
    ASSERT_TRUE(daemon_.launch(daemon_.command({"--debuggable"})).wait_ready()) << daemon_.process().standard_error();
  }
  std::string socket() const { return daemon_.socket_path("acme"); }
  // A host that takes no reply, with as many calls as the daemon takes from it.
  RawHttp2 silent_host() {
    RawHttp2 host(socket());
    std::string calls;
    for (int i = 0; i < 30'000; ++i) calls += http2::frame(http2::kHeaders, kWhole, host.next_stream(), headers());
    EXPECT_LT(host.send(calls, false), calls.size());
    return host;
  }
  // The same as soon as there is a place.
  RawHttp2 admitted_host() {
    const auto deadline = std::chrono::steady_clock::now() + Process::kPatience;
    for (;;) {
      try {
        return silent_host();
      } catch (const std::system_error&) {
        if (std::chrono::steady_clock::now() > deadline) throw;
        std::this_thread::yield();
      }
    }
  }
  static std::string headers() { return RawHttp2::headers(kUnknown); }

  pid_t daemon() const { return daemon_.process().pid(); }
  void expect_service() {
    HostSession session(socket());
    ASSERT_TRUE(session.is_open());
    EXPECT_EQ(session.connect("192.0.2.2:80"), v1::ACCES);
    EXPECT_TRUE(session.end().ok());
  }

  mutable DaemonProcess daemon_;
};

TEST_F(HostileHostTest, AHostThatEndsItsHalfIsGoneAlthoughItTookNoReply) {
  constexpr size_t kPlaces = 4, kRounds = 3;
  expect_service();
  const size_t before = open_descriptors(daemon());
  std::vector<RawHttp2> hosts;
  while (hosts.size() < kRounds * kPlaces) {
    hosts.push_back(admitted_host());
    hosts.back().socket().shutdown_write();
    hosts.back().socket().wait(0);  // a hang-up: the daemon writes nothing more
    EXPECT_LE(open_descriptors(daemon()), before + 3 * kPlaces + 3);
  }
}

TEST_F(HostileHostTest, HostsThatTakeNoReplyDoNotHoldUpTheEnd) {
  std::vector<RawHttp2> hosts;
  hosts.reserve(4);
  for (int i = 0; i < 4; ++i) hosts.push_back(silent_host());
  for (size_t i = 0; i < 2; ++i) hosts[i].socket().shutdown_write();
  const auto begin = std::chrono::steady_clock::now();
  daemon_.process().kill(SIGTERM);
  EXPECT_EQ(daemon_.process().wait(), kDone);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

// Floods of 30,000 calls or control frames.
struct Flood {
  const char* name;
  std::string (*frames)(uint32_t stream);
  bool takes_replies;
  RawHttp2::Settings settings;
};
std::ostream& operator<<(std::ostream& out, const Flood& flood) { return out << flood.name; }

std::string unknown_call(uint32_t stream) {
  return http2::frame(http2::kHeaders, kWhole, stream, RawHttp2::headers(kUnknown));
}
std::string known_call(uint32_t stream) {
  return http2::frame(http2::kHeaders, kWhole, stream, RawHttp2::headers(kClose));
}
std::string headers_only(uint32_t stream) {
  return http2::frame(http2::kHeaders, http2::kEndHeaders, stream, RawHttp2::headers(kClose));
}
std::string unknown_reset(uint32_t stream) {
  return http2::frame(http2::kHeaders, http2::kEndHeaders, stream, RawHttp2::headers(kUnknown)) +
         RawHttp2::reset(stream);
}
std::string known_reset(uint32_t stream) { return headers_only(stream) + RawHttp2::reset(stream); }
std::string session_reset(uint32_t stream) {
  return http2::frame(http2::kHeaders, http2::kEndHeaders, stream,
                      RawHttp2::headers("/wasi_netd.v1.Broker/OpenSession")) +
         RawHttp2::reset(stream);
}
std::string settings(uint32_t) { return http2::frame(http2::kSettings, 0, 0); }
std::string goaway(uint32_t) { return http2::frame(http2::kGoaway, 0, 0, std::string(1000, '\0')); }

class FloodTest : public HostileHostTest, public testing::WithParamInterface<Flood> {};

TEST_P(FloodTest, CostsLittleMemoryAndNobodyElseTheService) {
  if (!kMemoryTells) GTEST_SKIP() << "the sanitizer keeps freed memory";
  expect_service();
  const size_t before = resident_bytes(daemon());
  RawHttp2 host(socket(), 0x7fffffff, GetParam().settings);
  std::string frames;
  for (int i = 0; i < 30'000; ++i) frames += GetParam().frames(host.next_stream());
  host.send(frames, GetParam().takes_replies);
  EXPECT_LT(static_cast<double>(resident_bytes(daemon())) - static_cast<double>(before), 64.0 * kMiB);
  expect_service();
}

constexpr auto kAcknowledged = RawHttp2::Settings::kAcknowledged;
constexpr auto kLeft = RawHttp2::Settings::kLeft;
INSTANTIATE_TEST_SUITE_P(All, FloodTest,
                         testing::Values(Flood{"UnknownCallsUnread", unknown_call, false, kAcknowledged},
                                         Flood{"UnknownCallsRead", unknown_call, true, kAcknowledged},
                                         Flood{"UnknownCallsWithoutSettings", unknown_call, true, kLeft},
                                         Flood{"KnownCallsUnread", known_call, false, kAcknowledged},
                                         Flood{"KnownCallsRead", known_call, true, kAcknowledged},
                                         Flood{"HeadersOnlyUnread", headers_only, false, kAcknowledged},
                                         Flood{"HeadersOnlyRead", headers_only, true, kAcknowledged},
                                         Flood{"HeadersOnlyWithoutSettings", headers_only, true, kLeft},
                                         Flood{"UnknownResetsUnread", unknown_reset, false, kAcknowledged},
                                         Flood{"UnknownResetsRead", unknown_reset, true, kAcknowledged},
                                         Flood{"KnownResetsRead", known_reset, true, kAcknowledged},
                                         Flood{"SessionResetsRead", session_reset, true, kAcknowledged},
                                         Flood{"SettingsUnread", settings, false, kAcknowledged},
                                         Flood{"GoawaysRead", goaway, true, kAcknowledged}),
                         [](const auto& instance) { return instance.param.name; });

// A literal field (RFC 7541 6.2.2) whose value announces a gigabyte; gRPC looked at all that came again with each
// frame. The other kind are the bytes of a number that never ends.
TEST_F(HostileHostTest, HeadersWithoutEndAreCutBeforeTheyAreDecoded) {
  using namespace std::string_literals;
  expect_service();
  for (const auto& [announced, more] :
       {std::pair{"\0\1x\x7f\x81\xff\xff\xff\x03"s, 'a'}, std::pair{"\0\x7f"s, '\x80'}}) {
    const auto before = cpu_time(daemon());
    RawHttp2 host(socket());
    std::string frames = http2::frame(http2::kHeaders, 0, 1, RawHttp2::headers(kClose) + announced);
    for (int i = 0; i < 512; ++i) frames += http2::frame(http2::kContinuation, 0, 1, std::string(16384, more));
    EXPECT_LT(host.send(frames, true), frames.size());
    EXPECT_TRUE(daemon_.process().wait_stderr("a host was cut off: headers too large"));
    EXPECT_LT(cpu_time(daemon()) - before, std::chrono::seconds(1));
  }
  expect_service();
}

// Fields by their index in the table (RFC 7541 6.1): a byte on the wire, four thousand in the end.
TEST_F(HostileHostTest, HeadersThatUnfoldCostNothing) {
  expect_service();
  const auto before = cpu_time(daemon());
  RawHttp2 host(socket());
  const std::string field = '\x40' + std::string("\x01x\x7f\xa1\x1e") + std::string(4000, 'v');
  std::string frames = http2::frame(http2::kHeaders, kWhole, host.next_stream(), RawHttp2::headers(kClose) + field);
  for (int i = 0; i < 200; ++i) {
    frames += http2::frame(http2::kHeaders, kWhole, host.next_stream(),
                           RawHttp2::headers(kClose) + std::string(16000, '\xbe'));
  }
  host.send(frames, true);
  expect_service();
  EXPECT_LT(cpu_time(daemon()) - before, std::chrono::seconds(3));
}

// Whole frames of a type that have a flag.
size_t count_frames(std::string_view bytes, uint8_t type, uint8_t flag) {
  size_t count = 0;
  while (bytes.size() >= 9) {
    const auto at = [bytes](size_t i) { return size_t{static_cast<uint8_t>(bytes[i])}; };
    count += at(3) == type && (at(4) & flag) != 0;
    bytes.remove_prefix(std::min(bytes.size(), 9 + (at(0) << 16 | at(1) << 8 | at(2))));
  }
  return count;
}

TEST_F(HostileHostTest, AHostThatReadsLateGetsEveryReply) {
  constexpr size_t kCalls = 10'000;
  RawHttp2 host(socket());
  std::string calls;
  for (size_t i = 0; i < kCalls; ++i) calls += unknown_call(host.next_stream());
  const size_t sent = host.send(calls, false);
  EXPECT_LT(sent, calls.size());  // held back, not cut off
  // Now it reads, and sends the rest as it can.
  std::string replies;
  std::string_view rest = std::string_view(calls).substr(sent);
  while (count_frames(replies, http2::kHeaders, http2::kEndStream) < kCalls) {
    host.socket().wait(static_cast<short>(rest.empty() ? POLLIN : POLLIN | POLLOUT));
    char buffer[64 * 1024];
    const ssize_t got = ::recv(host.socket().fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    ASSERT_NE(got, 0) << "cut off";
    if (got > 0) replies.append(buffer, static_cast<size_t>(got));
    const ssize_t n = ::send(host.socket().fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
  }
  // Of its own settings; of the daemon's barriers it sees nothing.
  EXPECT_EQ(count_frames(replies, http2::kSettings, http2::kAck), 1u);
}

TEST_F(HostileHostTest, MetadataWithinTheLimitPasses) {
  const auto stub = v1::Broker::NewStub(host_channel(socket()));
  for (const size_t size : {100, 3000}) {
    grpc::ClientContext context;
    for (int i = 0; i < 10; ++i) context.AddMetadata("key-" + std::to_string(i), std::string(size / 10, 'v'));
    v1::StatusReply reply;
    EXPECT_EQ(stub->Close(&context, v1::HandleRequest(), &reply).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
}

}  // namespace
}  // namespace wasi_netd::test
