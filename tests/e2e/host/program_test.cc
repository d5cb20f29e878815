// wasi-net-run's command line, manifests and reports, and what all programs answer to --help and --version.
#include "tests/e2e/host/host_test.h"

namespace wasi_netd::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

constexpr Process::Exit kHostError{125, 0};

Outcome run_program(std::vector<std::string> arguments) {
  Process::Start start;
  start.arguments = std::move(arguments);
  return run(std::move(start));
}

TEST(Programs, HelpAndVersionAreAnsweredByAll) {
  for (const std::string program : {WASI_NETD_PROGRAM, WASI_NET_RUN_PROGRAM, WASI_NETCTL_PROGRAM}) {
    const Outcome help = run_program({program, "--help"});
    EXPECT_EQ(help.exit, kDone) << program;
    EXPECT_THAT(help.out, AllOf(HasSubstr("--help"), HasSubstr("--version"))) << program;
    EXPECT_THAT(help.error, IsEmpty());
    const Outcome version = run_program({program, "--version"});
    EXPECT_EQ(version.exit, kDone) << program;
    EXPECT_EQ(version.out, std::filesystem::path(program).filename().string() + " " WASI_NETD_VERSION "\n");
  }
}

TEST(Programs, WrongUsageIsTheHostsErrorAndNoGuests) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--no-such-option"},
                                             {},
                                             {"--socket", "/nowhere"},
                                             {wasm("http_get")},
                                             {"--socket", "/nowhere", "--engine", "spidermonkey", wasm("http_get")},
                                             {"--socket", "/nowhere", "--rights", "fly", wasm("http_get")},
                                             {"--socket", "/nowhere", "--env", "no-assignment", wasm("http_get")},
                                             {"--socket", "/nowhere", "--max-memory", "1", wasm("http_get")},
                                             {"--manifest", "a.yaml", "--socket", "/nowhere"}}) {
    std::vector<std::string> command = {WASI_NET_RUN_PROGRAM};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run_program(command);
    EXPECT_EQ(outcome.exit, kHostError) << testing::PrintToString(arguments);
    EXPECT_NE(outcome.error, "") << testing::PrintToString(arguments);
  }
}

class ProgramTest : public EngineTest {
 protected:
  void SetUp() override {
    acme();
    start_daemon();
  }
  Outcome run_guest(const std::vector<std::string>& arguments, std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--engine", GetParam()});
    return run(guest("semantics", arguments, options));
  }
};
WASI_NETD_WITH_ENGINES(ProgramTest);

TEST_P(ProgramTest, TheGuestsExitCodeIsTheHosts) {
  EXPECT_EQ(run_guest({"exit 0"}).exit, kDone);
  EXPECT_EQ(run_guest({"exit 7"}).exit, (Process::Exit{7, 0}));
}

TEST_P(ProgramTest, ATrapIsTold) {
  const Outcome trapped = run_guest({"trap"});
  EXPECT_EQ(trapped.exit, (Process::Exit{134, 0}));
  EXPECT_THAT(trapped.error, HasSubstr("wasi-net-run: the guest trapped: "));
}

TEST_P(ProgramTest, AGuestSeesItsEnvironmentAndNotTheHosts) {
  const Outcome outcome = run_guest({"environ COLOUR", "environ PATH"}, {"--env", "COLOUR=blue", "--env", "A=b"});
  EXPECT_EQ(outcome.exit, kDone) << outcome.error;
  const auto answers = lines_of(outcome.out);
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_THAT(answers[0], HasSubstr("blue"));
  EXPECT_THAT(answers[1], Not(HasSubstr("/bin")));
}

TEST_P(ProgramTest, AWeakenedGuestIsNotCapableOfWhatThePolicyWouldGive) {
  NativeSocket server = native_listen(native_ip("127.0.0.1", 0));
  const std::vector<std::string> attempts = {"c= open net 0.0.0.0:0", "connect c " + address_of(server),
                                             "resolve net name.invalid"};
  const Outcome weak = run_guest(attempts, {"--rights", "open,stream_create,read,write"});
  EXPECT_EQ(weak.exit, kDone) << weak.error;
  const auto answers = lines_of(weak.out);
  ASSERT_THAT(answers, SizeIs(3));
  EXPECT_THAT(answers[0], HasSubstr("success"));
  EXPECT_EQ(answers[1], "notcapable");
  EXPECT_EQ(answers[2], "notcapable");
  EXPECT_THAT(lines_of(run_guest(attempts).out).at(1), HasSubstr("success"));
}

TEST_P(ProgramTest, WhatIsNoModuleIsAnErrorWithItsName) {
  std::ofstream(path("text.wasm")) << "not wasm";
  for (const std::string& file : {path("text.wasm"), path("missing.wasm")}) {
    const Outcome outcome =
        run_program({WASI_NET_RUN_PROGRAM, "--engine", GetParam(), "--socket", daemon_.socket_path("acme"), file});
    EXPECT_EQ(outcome.exit, kHostError);
    EXPECT_THAT(outcome.error, HasSubstr(file));
  }
}

using AdmissionTest = HostTest;

TEST_F(AdmissionTest, WithoutADaemonTheHostSaysSo) {
  const Outcome outcome = run(guest("semantics", {"exit 0"}));
  EXPECT_EQ(outcome.exit, kHostError);
  EXPECT_THAT(outcome.error, HasSubstr(daemon_.socket_path("acme")));
}

TEST_F(AdmissionTest, AProcessThatThePolicyDoesNotNameIsTurnedAway) {
  daemon_.add_tenant("acme", kLoopback, ::getuid() + 1);
  start_daemon();
  const Outcome outcome = run(guest("semantics", {"exit 0"}));
  EXPECT_EQ(outcome.exit, kHostError);
  EXPECT_THAT(outcome.error, HasSubstr("the daemon does not admit this process"));
  end_daemon();
  EXPECT_THAT(records({"\"event\":\"peer\"", "\"verdict\":\"deny\""}), Not(IsEmpty()));
}

TEST_F(AdmissionTest, ASignalReachesAGuestWhoseDaemonNeverAnswers) {
  const NativeSocket mute = native_listen(native_unix(path("mute.sock")));
  Process host({{WASI_NET_RUN_PROGRAM, "--json", "--socket", path("mute.sock"), wasm("semantics"), "exit 0"}});
  const NativeSocket connection(::accept4(mute.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  host.kill(SIGTERM);
  EXPECT_EQ(host.wait(), (Process::Exit{128 + SIGTERM, 0})) << host.standard_error();
  EXPECT_THAT(host.standard_output(), HasSubstr(R"("ended":"exit","exit_code":143)")) << "it ended by itself";
}

using ManifestTest = HostTest;

TEST_F(ManifestTest, AManifestsReportHasALineForEachGuest) {
  acme();
  start_daemon();
  const std::vector<ManifestGuest> guests = {
      {"acme", "semantics", {"exit 0"}, {"name: good", "count: 2"}},
      {"acme", "semantics", {"exit 3"}, {"name: bad", "engine: wabt"}},
      {"acme", "semantics", {"trap"}, {"name: broken"}},
  };
  const Outcome table = run(manifest(guests));
  EXPECT_EQ(table.exit, (Process::Exit{1, 0})) << table.error;
  const auto lines = lines_of(table.out);
  ASSERT_THAT(lines, SizeIs(6)) << table.out;
  EXPECT_THAT(lines[1], MatchesRegex("good +wasmtime +exit +0 .*"));
  EXPECT_THAT(lines[2], MatchesRegex("good#2 +wasmtime +exit +0 .*"));
  EXPECT_THAT(lines[3], MatchesRegex("bad +wabt +exit +3 .*"));
  EXPECT_THAT(lines[4], MatchesRegex("broken +wasmtime +trap +134 .*"));
  EXPECT_EQ(lines[5], "4 guests, 2 failed");

  const Outcome good = run(manifest({guests[0]}));
  EXPECT_EQ(good.exit, kDone) << good.out;
}

TEST_F(ManifestTest, InstancesThatWriteToOneFileLoseNothingOfEachOther) {
  acme();
  start_daemon();
  std::ofstream(path("out")) << "of an earlier run\n";
  const std::string to_file = "stdout: " + path("out");
  const Outcome outcome = run(manifest({{"acme", "semantics", {"local 99"}, {"count: 3", to_file}},
                                        {"acme", "semantics", {"local 99"}, {to_file, "stderr: " + path("out")}}}));
  EXPECT_EQ(outcome.exit, kDone) << outcome.out;
  EXPECT_THAT(lines_of(contents(path("out"))), ElementsAre("badf", "badf", "badf", "badf"));
}

TEST_F(ManifestTest, AReportIsJsonOnDemand) {
  acme();
  start_daemon();
  const std::vector<ManifestGuest> guests = {{"acme", "semantics", {"exit 3"}, {"name: billing"}}};
  const std::string expected = R"(\{"guests":\[\{"label":"billing","name":"billing","socket":".*/acme\.sock",)"
                               R"("wasm":".*/semantics\.wasm","engine":"wasmtime","ended":"exit","exit_code":3,)"
                               R"("message":"","seconds":[0-9]+\.[0-9]+\}\]\})"
                               "\n";
  const Outcome outcome = run(manifest(guests, {"--json"}));
  EXPECT_EQ(outcome.exit, (Process::Exit{1, 0}));
  EXPECT_THAT(outcome.out, MatchesRegex(expected));
  EXPECT_THAT(run(manifest(guests, {"--json=" + path("report.json")})).out, IsEmpty());
  EXPECT_THAT(contents(path("report.json")), MatchesRegex(expected));
}

TEST_F(ManifestTest, EveryErrorOfAManifestIsToldWithItsPlaceAndNothingRuns) {
  const Process::Start start = manifest_text(
      "guests:\n"
      "  - socket: /nowhere\n"
      "    wasm: a.wasm\n"
      "    colour: red\n"
      "  - wasm: b.wasm\n"
      "    engine: v8\n"
      "    rights: [read, fly]\n");
  const Outcome outcome = run(start);
  EXPECT_EQ(outcome.exit, kHostError);
  EXPECT_THAT(outcome.out, IsEmpty());
  const std::string& file = start.arguments.back();
  for (const char* place : {":4:5: unknown key 'colour'", ":5:5: the guest has no 'socket'", ":6:13: expected wasmtime",
                            ":7:20: unknown right 'fly'"}) {
    EXPECT_THAT(outcome.error, HasSubstr(file + place));
  }
}

}  // namespace
}  // namespace wasi_netd::test
