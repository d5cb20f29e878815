// The program's command line, --check, its start and what stops it from starting.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/support/daemon_process.h"

namespace wasi_netd::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr Process::Exit kDone{0, 0}, kFailed{1, 0}, kUsage{2, 0};

Outcome run_program(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), WASI_NETD_PROGRAM);
  Process::Start start;
  start.arguments = std::move(arguments);
  return run(std::move(start));
}

TEST(Program, HelpNamesEveryOption) {
  const Outcome help = run_program({"--help"});
  EXPECT_EQ(help.exit, kDone);
  for (const char* option :
       {"--config FILE", "--policy-dir DIR", "--runtime-dir DIR", "--check", "--version", "--help"}) {
    EXPECT_THAT(help.out, HasSubstr(option));
  }
}

TEST(Program, VersionIsTheProjects) {
  const Outcome version = run_program({"--version"});
  EXPECT_EQ(version.exit, kDone);
  EXPECT_EQ(version.out, "wasi-netd " WASI_NETD_VERSION "\n");
}

TEST(Program, WrongUsageEndsWithTwo) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"--no-such-option"}, {"word"}, {"--config"}}) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.exit, kUsage) << arguments[0];
    EXPECT_THAT(outcome.error, HasSubstr("--help"));
    EXPECT_THAT(outcome.out, IsEmpty());
  }
}

constexpr uid_t kNobody = 65534;

// Why a test that runs the program as somebody else cannot; empty: it can.
std::string cannot_be_nobody() {
  if (geteuid() != 0) return "needs root, to become somebody else";
  Process::Start start;
  start.arguments = {WASI_NETD_PROGRAM, "--version"};
  start.user = kNobody;
  return run(std::move(start)).exit == kDone ? "" : "others may not run " WASI_NETD_PROGRAM;
}

class CheckTest : public testing::Test {
 protected:
  Outcome check() { return run(daemon_.command({"--check"})); }
  DaemonProcess daemon_;
};

TEST_F(CheckTest, GoodPoliciesAreCountedAndNothingIsMade) {
  daemon_.add_tenant("acme");
  daemon_.add_tenant("billing");
  const Outcome outcome = check();
  EXPECT_EQ(outcome.exit, kDone) << outcome.error;
  EXPECT_EQ(outcome.out, "2 tenants, 0 errors, 0 warnings\n");
  EXPECT_THAT(outcome.error, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(daemon_.runtime_dir()));
}

TEST_F(CheckTest, EveryErrorOfEveryPolicyIsTold) {
  daemon_.write_policy("a", "version: 1\ntenant: a\npears: []\n");
  daemon_.write_policy("b", "version: 2\n");
  daemon_.add_tenant("good");
  const Outcome outcome = check();
  EXPECT_EQ(outcome.exit, kFailed);
  EXPECT_THAT(outcome.error, HasSubstr(daemon_.policy_dir() + "/a.yaml:3:1: "));
  EXPECT_THAT(outcome.error, HasSubstr(daemon_.policy_dir() + "/b.yaml:1:10: "));
  EXPECT_THAT(outcome.error, Not(HasSubstr("good.yaml")));
}

TEST_F(CheckTest, AnErrorInTheConfigurationIsToldWithItsPlace) {
  daemon_.add_tenant("acme");
  daemon_.configure("loops: many\n");
  const Outcome outcome = check();
  EXPECT_EQ(outcome.exit, kFailed);
  EXPECT_THAT(outcome.error, HasSubstr(daemon_.config_file() + ":3:8: expected 0"));
}

TEST_F(CheckTest, OptionsOverrideTheFile) {
  daemon_.add_tenant("acme");
  daemon_.configure("log: {level: error}\n");
  const std::string elsewhere = daemon_.directory() + "/elsewhere";
  const Outcome outcome = run(daemon_.command({"--check", "--policy-dir", elsewhere}));
  EXPECT_EQ(outcome.exit, kFailed);
  EXPECT_THAT(outcome.error, HasSubstr(elsewhere));
}

class StartTest : public testing::Test {
 protected:
  StartTest() { daemon_.add_tenant("acme"); }
  // Starts it, expects that it refuses with one line on stderr, and returns that.
  std::string refusal(Process::Start start) {
    const Outcome outcome = run(std::move(start));
    EXPECT_EQ(outcome.exit, kFailed) << outcome.error;
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
    EXPECT_THAT(outcome.out, IsEmpty());
    return outcome.error;
  }
  std::string refusal() { return refusal(daemon_.command()); }
  mode_t mode(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode;
  }
  DaemonProcess daemon_;
};

TEST_F(StartTest, ReadyIsToldToTheServiceManagerAndTheLog) {
  ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  EXPECT_TRUE(daemon_.process().wait_notified("STATUS=1 tenant in " + daemon_.runtime_dir()));
  EXPECT_TRUE(daemon_.process().wait_stderr(" info ready: 1 tenant in " + daemon_.runtime_dir() + "\n"));
}

TEST_F(StartTest, EveryHostCanReachTheSocketAndNobodyElseCanMakeOne) {
  ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  EXPECT_EQ(mode(daemon_.socket_path("acme")), mode_t{S_IFSOCK | 0666});
  EXPECT_EQ(mode(daemon_.runtime_dir()), mode_t{S_IFDIR | 0755});
  EXPECT_EQ(mode(daemon_.runtime_dir() + "/tenants"), mode_t{S_IFDIR | 0755});
}

TEST_F(StartTest, ItRunsWithoutAnyPrivilege) {
  if (const std::string reason = cannot_be_nobody(); !reason.empty()) GTEST_SKIP() << reason;
  ASSERT_EQ(chmod(daemon_.directory().c_str(), 0777), 0);
  Process::Start start = daemon_.command();
  start.user = kNobody;
  ASSERT_TRUE(daemon_.launch(std::move(start)).wait_ready()) << daemon_.process().standard_error();
  EXPECT_NO_THROW(native_connect(native_unix(daemon_.socket_path("acme"))));
  daemon_.process().kill(SIGTERM);
  EXPECT_EQ(daemon_.process().wait(), kDone);
}

TEST_F(StartTest, AMissingPolicyDirectoryIsNamed) {
  EXPECT_THAT(refusal(daemon_.command({"--policy-dir", "/no/such/dir"})), HasSubstr("/no/such/dir: No such file"));
}

TEST_F(StartTest, ADirectoryWithoutPoliciesIsAnError) {
  std::filesystem::remove(daemon_.policy_dir() + "/acme.yaml");
  EXPECT_THAT(refusal(), HasSubstr(daemon_.policy_dir() + ": no *.yaml file"));
}

TEST_F(StartTest, ABrokenPolicyKeepsItFromStarting) {
  daemon_.write_policy("broken", "version: [\n");
  EXPECT_THAT(refusal(), StartsWith(daemon_.policy_dir() + "/broken.yaml:2:1: "));
  EXPECT_FALSE(std::filesystem::exists(daemon_.runtime_dir()));
}

TEST_F(StartTest, AnUnreadablePolicyIsNamed) {
  if (const std::string reason = cannot_be_nobody(); !reason.empty()) GTEST_SKIP() << reason;
  ASSERT_EQ(chmod(daemon_.directory().c_str(), 0777), 0);
  ASSERT_EQ(chmod((daemon_.policy_dir() + "/acme.yaml").c_str(), 0600), 0);
  Process::Start start = daemon_.command();
  start.user = kNobody;
  const std::string error = refusal(std::move(start));
  EXPECT_THAT(error, HasSubstr(daemon_.policy_dir() + "/acme.yaml"));
  EXPECT_THAT(error, HasSubstr("Permission denied"));
}

TEST_F(StartTest, AMissingConfigurationIsNamed) {
  Process::Start start = daemon_.command();
  start.arguments = {WASI_NETD_PROGRAM, "--config", "/no/such/file"};
  EXPECT_THAT(refusal(std::move(start)), StartsWith("wasi-netd: /no/such/file: No such file"));
}

TEST_F(StartTest, ARuntimeDirectoryThatCannotBeMadeIsNamed) {
  EXPECT_THAT(refusal(daemon_.command({"--runtime-dir", "/no/such/dir"})), HasSubstr("/no/such/dir: No such file"));
  const std::string file = daemon_.config_file();
  EXPECT_THAT(refusal(daemon_.command({"--runtime-dir", file})), HasSubstr(file + ": exists and is not a directory"));
}

TEST_F(StartTest, AnAuditFileThatCannotBeOpenedIsNamed) {
  daemon_.configure("audit: {file: /no/such/dir/audit}\n");
  EXPECT_THAT(refusal(), HasSubstr("audit file /no/such/dir/audit: No such file"));
}

TEST_F(StartTest, ASocketPathThatIsTooLongIsNamed) {
  const std::string deep = daemon_.directory() + "/" + std::string(80, 'x');
  EXPECT_THAT(refusal(daemon_.command({"--runtime-dir", deep})), HasSubstr(deep + "/tenants/acme.sock: longer than"));
}

TEST_F(StartTest, ASecondDaemonLeavesTheFirstAlone) {
  ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  EXPECT_THAT(refusal(), HasSubstr(daemon_.socket_path("acme") + ": another process listens here"));
  EXPECT_NO_THROW(native_connect(native_unix(daemon_.socket_path("acme"))));
}

TEST_F(StartTest, ASocketThatADeadDaemonLeftIsReplaced) {
  ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  daemon_.process().kill(SIGKILL);
  EXPECT_EQ(daemon_.process().wait(), (Process::Exit{-1, SIGKILL}));
  ASSERT_TRUE(std::filesystem::exists(daemon_.socket_path("acme")));
  ASSERT_TRUE(daemon_.start()) << daemon_.process().standard_error();
  EXPECT_NO_THROW(native_connect(native_unix(daemon_.socket_path("acme"))));
}

TEST_F(StartTest, AFileInTheSocketsPlaceIsNotTouched) {
  std::filesystem::create_directories(daemon_.runtime_dir() + "/tenants");
  std::ofstream(daemon_.socket_path("acme")) << "precious";
  EXPECT_THAT(refusal(), HasSubstr(daemon_.socket_path("acme") + ": exists and is not a socket"));
  EXPECT_EQ(std::filesystem::file_size(daemon_.socket_path("acme")), 8u);
}

TEST_F(StartTest, AWrongCountOfPassedDescriptorsIsAnError) {
  // LISTEN_PID must be the process's own id, which only it knows: a shell passes its own on.
  Process::Start start = daemon_.command();
  start.arguments.insert(start.arguments.begin(), {"/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=9 exec \"$@\"", "sh"});
  EXPECT_THAT(refusal(std::move(start)), HasSubstr("LISTEN_FDS"));
}

}  // namespace
}  // namespace wasi_netd::test
