// Rows of every group of calls in both engines: the table of imports is the same, and so are the answers.
#include "tests/e2e/engines/semantics_test.h"

namespace wasi_netd::test {
namespace {

class EngineTest : public SemanticsTest, public testing::WithParamInterface<const char*> {
 protected:
  Guest& guest() override {
    if (!guest_) guest_ = std::make_unique<Guest>(socket(), Guest::Options{.engine = GetParam()});
    return *guest_;
  }

 private:
  std::unique_ptr<Guest> guest_;
};
INSTANTIATE_TEST_SUITE_P(Engines, EngineTest, testing::Values("wasmtime", "wabt"),
                         [](const auto& engine) { return std::string(engine.param); });

TEST_P(EngineTest, FAULT_1_PointersOutOfMemoryAreFaultsAndNothingIsDone) {
  NativeSocket peer = connect_guest();
  listen_guest();
  NativeSocket client = native_connect(native_ip("127.0.0.1", port_of("l")));
  peer.write_all("kept");
  for (const char* call : {"read s", "write s", "poll s", "open tcp", "connect c", "accept l", "local l"}) {
    EXPECT_EQ(ask(std::string("oob ") + call), "fault") << call;
  }
  EXPECT_EQ(ask("recv s 4 waitall"), "success n=4 data=kept");
  succeed("accept l");
  succeed("write s all");
  succeed("close s");
  EXPECT_EQ(peer.read_to_end(), "all");
}

TEST_P(EngineTest, TEXT_1_ATextThatDoesNotFitIsNotWritten) {
  listen_guest();
  const std::string whole = value_of(ask("local l"), "text");
  EXPECT_EQ(ask("local l capacity=" + std::to_string(whole.size())), "success text=" + whole);
  EXPECT_EQ(ask("local l capacity=" + std::to_string(whole.size() - 1)),
            "overflow length=" + std::to_string(whole.size()) + " untouched");
  EXPECT_EQ(ask("local l capacity=0"), "overflow length=" + std::to_string(whole.size()) + " untouched");
  EXPECT_EQ(ask("resolve tcp here.example capacity=1"), "overflow length=10 untouched");
}

TEST_P(EngineTest, RIGHTS_3_MoreThanTheParentHandsOnIsNotCapable) {
  EXPECT_EQ(ask("open tcp 127.0.0.1:0 base=listen+delegate inh=none"), "notcapable");
  EXPECT_EQ(ask("open tcp 127.0.0.1:0 base=none inh=read+delegate"), "notcapable");
  succeed("c= open tcp 0.0.0.0:0 base=connect inh=stream_create+read");
  NativeSocket listener = native_listen(native_ip("127.0.0.1", 0));
  succeed("k= connect c " + address_of(listener));
  EXPECT_EQ(ask("create k base=read+write inh=none"), "notcapable");
  succeed("s= create k base=read inh=none");
}

TEST_P(EngineTest, POLICY_1_WhatIsDeniedSendsNothing) {
  const NativeSocket listener = native_listen(native_ip("127.0.0.66", 0));
  const NativeSocket here = native_listen(native_ip("127.0.0.1", 0));
  succeed("c= open tcp 0.0.0.0:0");
  EXPECT_EQ(ask("connect c " + address_of(listener, "127.0.0.66")), "acces");
  EXPECT_EQ(ask("connect c 192.0.2.1:80"), "acces");
  EXPECT_EQ(ask("connect c other.test:80"), "acces");
  EXPECT_EQ(ask("open tcp 127.0.0.66:0"), "acces");
  EXPECT_EQ(ask("resolve tcp other.test"), "acces");
  succeed("connect c " + address_of(here));
  pollfd nobody = {listener.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&nobody, 1, 0), 0);
}

TEST_P(EngineTest, KIND_2_TheWrongKindOfNetworkFdIsInvalid) {
  NativeSocket peer = connect_guest();
  for (const char* command : {"listen tcp",
                              "listen k",
                              "listen s",
                              "accept tcp",
                              "accept k",
                              "accept s",
                              "connect tcp 127.0.0.1:1",
                              "connect k 127.0.0.1:1",
                              "create tcp",
                              "create c",
                              "create s",
                              "saccept c",
                              "open c 127.0.0.1:0",
                              "open s 127.0.0.1:0",
                              "resolve c here.example",
                              "read tcp 1",
                              "read c 1",
                              "read k 1",
                              "write c x",
                              "write k x",
                              "recv c 1",
                              "send k x",
                              "shutdown c rdwr",
                              "sockaccept s"}) {
    EXPECT_EQ(errno_after(command), "inval") << command;
  }
  for (const char* command : {"local tcp", "peer tcp", "info tcp"}) {
    EXPECT_EQ(errno_after(command), "notcapable") << command;
  }
}

TEST_P(EngineTest, WRITE_1_BytesOfAGuestThatExitsAtOnceArrive) {
  NativeSocket peer = connect_guest();
  guest().tell("fill s 1000000");
  guest().tell("exit 0");
  const std::string all = peer.read_to_end();
  ASSERT_EQ(all.size(), 1'000'000U);
  size_t wrong = 0;
  for (size_t i = 0; i < all.size(); ++i) wrong += all[i] != static_cast<char>(i % 251);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(guest().process().wait(), (Process::Exit{0, 0}));
}

TEST_P(EngineTest, READ_2_PeekLeavesTheBytesAndWaitallWaitsForThem) {
  NativeSocket peer = connect_guest();
  peer.write_all("hello");
  EXPECT_THAT(ask("poll - s:r"), HasSubstr("nbytes=5"));
  EXPECT_EQ(ask("recv s 10 peek"), "success n=5 data=hello");
  EXPECT_EQ(ask("recv s 2"), "success n=2 data=he");
  guest().tell("recv s 6 waitall");
  ASSERT_TRUE(guest().waits());
  peer.write_all("123");
  EXPECT_EQ(guest().answer(), "success n=6 data=llo123");
  guest().tell("recv s 6 waitall");
  peer.write_all("end");
  peer.close();
  EXPECT_EQ(guest().answer(), "success n=3 data=end");
}

TEST_P(EngineTest, SHUT_1_ThePeerReadsAllThenTheEndAndReadingGoesOn) {
  NativeSocket peer = connect_guest();
  succeed("write s question");
  succeed("shutdown s wr");
  EXPECT_EQ(peer.read_to_end(), "question");
  peer.write_all("answer");
  EXPECT_EQ(ask("recv s 6 waitall"), "success n=6 data=answer");
}

TEST_P(EngineTest, POLL_1_OneCallWaitsForManyFdsAndAClock) {
  NativeSocket first = connect_guest();
  succeed("a= restrict tcp none none");
  const NativeAddress place = listen_guest();
  EXPECT_EQ(ask("poll 1 s:r l:r"), "success n=1 [1000000:clock success]");
  EXPECT_THAT(ask("poll 60000 s:r s:w l:r"), testing::ContainsRegex("^success n=1 \\[[0-9]+:w success"));
  guest().tell("poll 60000 s:r l:r");
  ASSERT_TRUE(guest().waits());
  NativeSocket client = native_connect(place);
  EXPECT_THAT(guest().answer(), testing::ContainsRegex("^success n=1 \\[[0-9]+:r success"));
  first.write_all("x");
  std::string both;
  while (value_of(both = ask("poll - s:r l:r s:w"), "n") != "3") ASSERT_THAT(both, StartsWith("success n=2 "));
}

TEST_P(EngineTest, POLL_2_ThePeersEndIsAHangup) {
  NativeSocket peer = connect_guest();
  guest().tell("poll - s:r");
  ASSERT_TRUE(guest().waits());
  peer.close();
  EXPECT_THAT(guest().answer(), HasSubstr("r success nbytes=0 hangup]"));
  EXPECT_EQ(ask("read s 1"), "success n=0 data=");
}

TEST_P(EngineTest, FDSTAT_1_ANetworkFdSaysWhatItIs) {
  NativeSocket peer = connect_guest("4");
  EXPECT_THAT(ask("fdstat c"), testing::MatchesRegex("success type=6 flags=0 base=[0-9a-f]+ inh=[0-9a-f]+"));
  EXPECT_THAT(ask("fdstat s"), StartsWith("success type=6 flags=4 "));
  succeed("setflags s 0");
  EXPECT_THAT(ask("fdstat s"), StartsWith("success type=6 flags=0 "));
  EXPECT_EQ(ask("setflags s 1"), "inval");
  EXPECT_EQ(ask("filestat s"), "success type=6 size=0");
  succeed("setrights s read+write none");
  EXPECT_EQ(ask("fdstat s"), "success type=6 flags=0 base=42 inh=0");
}

TEST_P(EngineTest, PREOPEN_1_ProtocolsStandBehindStdioInTheOrderOfTheirNames) {
  EXPECT_EQ(ask("list"), "success text=tcp:3,unix:4");
  EXPECT_EQ(ask("environ WASI_NETD_PROTOCOLS"), "success text=tcp:3,unix:4");
  EXPECT_EQ(ask("protocol tcp"), "success fd=3");
  EXPECT_EQ(ask("protocol unix"), "success fd=4");
  EXPECT_EQ(ask("protocol other"), "noent");
}

TEST_P(EngineTest, EXIT_1_ProcExitEndsTheGuestAtOnceWithItsCode) {
  succeed("list");
  guest().tell("exit 7");
  EXPECT_EQ(guest().process().wait(), (Process::Exit{7, 0}));
}

TEST_P(EngineTest, INTR_1_AHostThatEndsItsGuestEndsTheCallItWaitsIn) {
  listen_guest();
  guest().tell("accept l");
  ASSERT_TRUE(guest().waits());
  guest().tell("write 1 not-this");
  guest().process().kill(SIGTERM);
  EXPECT_EQ(guest().process().wait(), (Process::Exit{128 + SIGTERM, 0}));
  EXPECT_THAT(guest().process().standard_output(), Not(HasSubstr("not-this")));
}

}  // namespace
}  // namespace wasi_netd::test
