// What a tenant's limits end: QUOTA rows, and accepting while nothing is left.
#include <chrono>
#include <fstream>

#include "tests/e2e/engines/semantics_test.h"
#include "tests/support/proc.h"

namespace wasi_netd::test {
namespace {

class QuotaTest : public testing::Test {
 protected:
  void start(const std::string& limits) {
    daemon_.add_tenant("acme",
                       "protocols:\n"
                       "  tcp:\n"
                       "    transport: tcp\n"
                       "    connect: {allow: [\"127.0.0.1:1-65535\"]}\n"
                       "    open: {allow: [\"127.0.0.1:0\"]}\n"
                       "    accept: {allow: [\"127.0.0.1\"]}\n"
                       "limits: {" +
                           limits + "}\n");
    ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
    guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
  }
  std::string ask(const std::string& command) { return guest_->ask(command); }
  void succeed(const std::string& command) { ASSERT_THAT(ask(command), StartsWith("success")) << command; }

  DaemonProcess daemon_;
  std::unique_ptr<Guest> guest_;
};

TEST_F(QuotaTest, QUOTA_1_NoMoreHandlesThanTheTenantMayHave) {
  start("handles: 4");  // the protocol is one
  succeed("a= open tcp 0.0.0.0:0");
  succeed("b= open tcp 0.0.0.0:0");
  succeed("c= open tcp 0.0.0.0:0");
  EXPECT_EQ(ask("open tcp 0.0.0.0:0"), "mfile");
  EXPECT_EQ(ask("restrict a all all"), "notcapable") << "rights are looked at first";
  EXPECT_EQ(ask("restrict a none none"), "mfile");
  succeed("close b");
  succeed("open tcp 0.0.0.0:0");
}

TEST_F(QuotaTest, QUOTA_1_NoMoreHandlesThanASessionMayHave) {
  start("handles: 100, per_session: {handles: 2}");
  succeed("open tcp 0.0.0.0:0");
  EXPECT_EQ(ask("open tcp 0.0.0.0:0"), "mfile");
  Guest other(daemon_.socket_path("acme"));
  EXPECT_THAT(other.ask("open tcp 0.0.0.0:0"), StartsWith("success"));
}

TEST_F(QuotaTest, QUOTA_2_NoMoreConnectionsThanTheTenantMayHave) {
  start("connections: 1");
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  const std::string address = "127.0.0.1:" + std::to_string(listener.local_port());
  succeed("c= open tcp 0.0.0.0:0");
  succeed("k= connect c " + address);
  EXPECT_EQ(ask("connect c " + address), "nfile");
  // Over as soon as the peer agrees that it is.
  NativeSocket peer = listener.accept();
  succeed("shutdown k rdwr");
  peer.close();
  std::string again;
  while ((again = ask("connect c " + address)) == "nfile") {
  }
  EXPECT_THAT(again, StartsWith("success"));
}

TEST_F(QuotaTest, QUOTA_2_NoMoreSessionsThanTheTenantMayHave) {
  start("sessions: 1");
  succeed("list");
  Guest other(daemon_.socket_path("acme"));
  EXPECT_THAT(other.ask("list"), HasSubstr("the tenant has no session left"));
  EXPECT_EQ(other.process().wait(), (Process::Exit{125, 0}));
}

TEST_F(QuotaTest, QUOTA_3_NoMoreBuffersThanTheTenantMayHave) {
  start("buffers: 320KiB");
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0 flags=4");
  std::vector<NativeSocket> peers;
  std::string answer;
  for (int i = 0; i < 4; ++i) {
    const std::string number = std::to_string(i);
    succeed("k" + number + "= connect c 127.0.0.1:" + std::to_string(listener.local_port()));
    succeed("poll - k" + number + ":w");
    succeed("s" + number + "= create k" + number);
    peers.push_back(listener.accept());
    peers.back().write_all("x");
    answer = ask("read s" + number + " 1");
    if (i == 0) {
      EXPECT_EQ(answer, "success n=1 data=x");
    }
  }
  EXPECT_EQ(answer, "nobufs");
  EXPECT_EQ(ask("close s3"), "success");
}

TEST_F(QuotaTest, ACCEPT_3_AcceptingPausesAndGoesOnWhenThereIsRoom) {
  daemon_.configure("audit: {file: " + daemon_.directory() + "/audit.jsonl}\n");
  start("connections: 1");
  succeed("l= open tcp 127.0.0.1:0 flags=4");
  succeed("listen l 16");
  const std::string place = value_of(ask("local l"), "text");
  const NativeAddress address = native_ip("127.0.0.1", static_cast<uint16_t>(std::stoi(place.substr(10))));
  NativeSocket first = native_connect(address), second = native_connect(address), third = native_connect(address);
  succeed("poll - l:r");
  succeed("k= accept l");
  succeed("s= saccept k");
  EXPECT_EQ(ask("accept l"), "again");
  const auto quota_records = [&] {
    std::ifstream audit(daemon_.directory() + "/audit.jsonl");
    int count = 0;
    for (std::string line; std::getline(audit, line);) count += line.find("\"event\":\"quota\"") != std::string::npos;
    return count;
  };
  while (quota_records() == 0) ASSERT_EQ(ask("accept l"), "again");
  // Many turns of the daemon's loop later it has not tried again.
  for (int i = 0; i < 200; ++i) ASSERT_EQ(ask("accept l"), "again");
  EXPECT_EQ(quota_records(), 1);

  first.close();
  succeed("close s");
  succeed("close k");
  EXPECT_THAT(ask("poll - l:r"), HasSubstr("r success"));
  succeed("k= accept l");
  succeed("s= saccept k");
  second.write_all("second");
  EXPECT_THAT(ask("poll - s:r"), HasSubstr("nbytes=6"));
  EXPECT_EQ(ask("read s 10"), "success n=6 data=second");
}

// ---- descriptors, of which the daemon has a hard limit

TEST_F(QuotaTest, ACCEPT_3_DescriptorsRunOutAndComeBackAndNothingSpins) {
  constexpr size_t kLimit = 64, kPeers = 64;
  daemon_.add_tenant("acme",
                     "protocols: {tcp: {transport: tcp, open: {allow: [\"127.0.0.1:0\"]}, "
                     "accept: {allow: [\"127.0.0.1\"]}}}\n");
  daemon_.configure("loops: 1\n");
  Process::Start limited = daemon_.command();
  const std::vector<std::string> shell = {"sh", "-c", "ulimit -n " + std::to_string(kLimit) + " && exec \"$@\"", "sh"};
  limited.arguments.insert(limited.arguments.begin(), shell.begin(), shell.end());
  ASSERT_TRUE(daemon_.launch(std::move(limited)).wait_ready()) << daemon_.process().standard_error();
  const pid_t daemon = daemon_.process().pid();
  guest_ = std::make_unique<Guest>(daemon_.socket_path("acme"));
  succeed("l= open tcp 127.0.0.1:0 flags=4");
  succeed("listen l 128");
  const std::string place = value_of(ask("local l"), "text");
  const NativeAddress address = native_ip("127.0.0.1", static_cast<uint16_t>(std::stoi(place.substr(10))));
  std::vector<NativeSocket> peers;
  for (size_t i = 0; i < kPeers; ++i) {
    peers.push_back(native_connect(address));
    peers.back().write_all(std::to_string(100 + i));
  }
  size_t accepted = 0;
  const auto accept_one = [&] {
    const std::string answer = ask("k" + std::to_string(accepted) + "= accept l");
    if (answer == "again") return false;
    EXPECT_THAT(answer, StartsWith("success"));
    ++accepted;
    return true;
  };
  // One peer may be held ready, so "again" with no descriptor left means that there is none.
  bool exhausted = false;
  while (!exhausted) exhausted = !accept_one() && open_descriptors(daemon) == kLimit && !accept_one();
  ASSERT_GT(accepted, 0U);
  ASSERT_LT(accepted, kPeers);

  // The rest waits in the backlog, and waiting costs next to nothing, while the guest waits with it.
  const auto before = cpu_time(daemon);
  EXPECT_EQ(ask("poll 2000 l:r"), "success n=1 [1000000:clock success]");
  EXPECT_LT(cpu_time(daemon) - before, std::chrono::milliseconds(300));
  EXPECT_EQ(open_descriptors(daemon), kLimit);

  // With each that goes comes the next, in the order in which they came.
  for (size_t gone = 0; accepted < kPeers; ++gone) {
    peers[gone].close();
    succeed("close k" + std::to_string(gone));
    succeed("poll - l:r");
    ASSERT_TRUE(accept_one()) << accepted;
  }
  succeed("s= create k" + std::to_string(kPeers - 1));
  EXPECT_EQ(ask("read s 10"), "success n=3 data=" + std::to_string(100 + kPeers - 1));
}

}  // namespace
}  // namespace wasi_netd::test
