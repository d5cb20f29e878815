// wasi-netctl as a process: what it prints and how it exits.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "policy/json_schema.h"

namespace wasi_netd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int status = -1;
  std::string output;  // stdout
  std::string errors;  // stderr
};

constexpr std::string_view kPolicy = R"(version: 1
tenant: acme
peers: [{user: 0}]
protocols:
  web:
    transport: tcp
    connect:
      allow: ["api.example.com:443", "inner.example.com:443", "mixed.example.com:443", "127.0.0.1:8080"]
      deny: ["127.0.0.1:22"]
    resolver:
      hosts:
        api.example.com: [93.184.216.34]
        mixed.example.com: [10.0.0.5, 93.184.216.34]
        inner.example.com: [10.0.0.5]
  chat:
    transport: unix
    accept: {allow: ["*"]}
guests:
  billing: {protocols: [web]}
  chatty: {}
)";

class Netctl : public ::testing::Test {
 protected:
  Netctl() {
    std::string pattern = (std::filesystem::temp_directory_path() / "netctl-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    write("acme.yaml", kPolicy);
  }
  ~Netctl() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, std::string_view text) { std::ofstream(directory_ / name) << text; }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string contents(const std::string& name) const {
    std::ifstream file(directory_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Arguments are given as a shell would read them.
  Outcome run(const std::string& arguments) {
    const std::string command = std::string(WASI_NETCTL) + " " + arguments + " >" + path("out") + " 2>" + path("err");
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): fixed text of this test
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents("out"), contents("err")};
  }
  Outcome explain(const std::string& arguments) {
    return run("explain --policy " + path("acme.yaml") + " --guest chatty " + arguments);
  }

  std::filesystem::path directory_;
};

TEST_F(Netctl, HelpAndVersionAreEverywhere) {
  for (const char* arguments : {"--help", "check --help", "explain --help", "schema --help"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << arguments;
    EXPECT_THAT(outcome.output, HasSubstr("Usage:")) << arguments;
  }
  for (const char* arguments : {"--version", "check --version", "explain --version", "schema --version"}) {
    const Outcome version = run(arguments);
    EXPECT_EQ(version.status, 0) << arguments;
    EXPECT_EQ(version.output, std::string("wasi-netctl ") + WASI_NETD_VERSION + "\n") << arguments;
  }
}

TEST_F(Netctl, MisuseIsStatus2) {
  for (const char* arguments : {"", "frobnicate", "check", "explain", "explain web connect 1.2.3.4:5", "--nonsense"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << arguments;
    EXPECT_FALSE(outcome.errors.empty()) << arguments;
  }
}

TEST_F(Netctl, SchemaPrintsTheSchema) {
  const Outcome outcome = run("schema");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, policy::json_schema());
}

TEST_F(Netctl, CheckPassesGoodFilesAndDirectories) {
  for (const std::string& each : {path("acme.yaml"), directory_.string()}) {
    const Outcome outcome = run("check " + each);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.output, path("acme.yaml") + ": ok, tenant acme\n");
    EXPECT_THAT(outcome.errors,
                StartsWith(path("acme.yaml") + ":13:29: warning: '10.0.0.5' can never be connected to"));
  }
}

TEST_F(Netctl, CheckPrintsEveryErrorOfEveryFile) {
  write("bad.yaml", "version: 2\ntenant: bad\npeers: [{user: 0}]\nprotocols: {web: {transport: tcp}}\nlimts: {}\n");
  const Outcome outcome = run("check " + directory_.string());
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.output, path("acme.yaml") + ": ok, tenant acme\n");
  EXPECT_THAT(outcome.errors, HasSubstr(path("bad.yaml") + ":1:10: expected 1, found '2'\n"));
  EXPECT_THAT(outcome.errors, HasSubstr(path("bad.yaml") + ":4:13: the protocol can do nothing"));
  EXPECT_THAT(outcome.errors, HasSubstr(path("bad.yaml") + ":5:1: unknown key 'limts' (did you mean 'limits'?)"));
}

TEST_F(Netctl, CheckFailsWhereThereIsNothingToCheck) {
  std::filesystem::create_directory(directory_ / "empty");
  EXPECT_EQ(run("check " + path("empty")).status, 1);
  const Outcome absent = run("check " + path("absent.yaml"));
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.errors, HasSubstr("absent.yaml: cannot be read"));
}

TEST_F(Netctl, CheckCanPassFilesOfAnotherMachine) {
  std::string text(kPolicy);
  text.replace(text.find("user: 0"), 7, "user: nobody-of-this-machine");
  write("acme.yaml", text);
  EXPECT_EQ(run("check " + path("acme.yaml")).status, 1);
  EXPECT_EQ(run("check --any-account " + path("acme.yaml")).status, 0);
}

TEST_F(Netctl, CheckWarnsOfFilesThatTheDaemonCouldNotUseOrOthersCould) {
  write("cert.pem", "certificate");
  write("good.key", "key");
  write("bad.key", "key");
  std::filesystem::permissions(directory_ / "good.key", std::filesystem::perms(0640));
  std::filesystem::permissions(directory_ / "bad.key", std::filesystem::perms(0644));
  std::string text(kPolicy);
  text.insert(text.find("guests:"),
              "  tls:\n    transport: tcp\n    accept: {allow: [\"127.0.0.1\"]}\n"
              "    tls:\n      role: server\n      verify: required\n"
              "      ca: " +
                  directory_.string() + "\n      crl: " + path("absent.crl") +
                  "\n"
                  "      certificates:\n"
                  "        - certificate: " +
                  path("cert.pem") + "\n          key: " + path("good.key") +
                  "\n        - certificate: " + path("cert.pem") + "\n          key: " + path("bad.key") + "\n");
  write("acme.yaml", text);
  const std::string file = path("acme.yaml");
  const Outcome outcome = run("check " + file);
  EXPECT_EQ(outcome.status, 0) << "the policy itself is good";
  std::vector<std::string> lines;
  std::istringstream errors(outcome.errors);
  for (std::string line; std::getline(errors, line);) lines.push_back(line);
  const std::string secret = "holds a secret, and every user of this machine has access to it";
  EXPECT_THAT(lines,
              ::testing::ElementsAre(StartsWith(file + ":13:29: warning: '10.0.0.5'"),
                                     StartsWith(file + ":14:29: warning: '10.0.0.5'"),
                                     file + ":24:11: warning: '" + directory_.string() + "': not a regular file",
                                     file + ":25:12: warning: '" + path("absent.crl") + "': No such file or directory",
                                     file + ":30:16: warning: '" + path("bad.key") + "': " + secret));
  EXPECT_THAT(run("check --any-account " + file).errors, ::testing::Not(HasSubstr("bad.key")));
}

TEST_F(Netctl, ExplainAnswersForDatagrams) {
  std::string text(kPolicy);
  text.insert(text.find("guests:"),
              "  dns:\n    transport: udp\n    connect: {allow: [\"9.9.9.9:53\"]}\n"
              "    accept: {allow: [\"10.0.0.0/8\"]}\n");
  write("acme.yaml", text);
  const std::string file = path("acme.yaml");
  const std::tuple<std::string, int, std::string> kTable[] = {
      {"dns send_to 9.9.9.9:53", 0, "allow " + file + ":20 \"9.9.9.9:53\": allowed by rule [public]\n"},
      {"dns send_to 10.0.0.1:53", 1,
       "deny " + file + ":20 \"connect\": no rule matches (address class private) [private]\n"},
      {"dns recv_from 10.0.0.1:53", 0, "allow " + file + ":21 \"10.0.0.0/8\": allowed by rule [private]\n"},
      {"dns recv_from 9.9.9.9:53", 1, "deny " + file + ":21 \"accept\": no rule matches [public]\n"},
      {"web send_to 127.0.0.1:8080", 1,
       "deny " + file + ":5 \"web\": the protocol does not carry the right 'send_to' [loopback]\n"},
  };
  for (const auto& [arguments, status, output] : kTable) {
    const Outcome outcome = explain(arguments);
    EXPECT_EQ(outcome.output, output) << arguments;
    EXPECT_EQ(outcome.status, status) << arguments;
  }
  EXPECT_THAT(explain("--json dns recv_from 10.0.0.1:53").output, HasSubstr("\"operation\": \"recv_from\""));
}

TEST_F(Netctl, CheckKnowsThePathsThatTheDaemonKeeps) {
  std::string text(kPolicy);
  text.replace(text.find("accept: {allow: [\"*\"]}"), 22, "connect: {allow: [\"/srv/netd/x\"]}");
  write("acme.yaml", text);
  EXPECT_EQ(run("check " + path("acme.yaml")).status, 0);
  const Outcome reserved = run("check --reserved /srv/netd " + path("acme.yaml"));
  EXPECT_EQ(reserved.status, 1);
  EXPECT_THAT(reserved.errors, HasSubstr("the path is the daemon's own"));
}

// No more and no less than the daemon: what is only near its directories is the rules' to judge.
TEST_F(Netctl, ReservesTheDirectoriesOfADaemonWithDefaultSettings) {
  write(
      "acme.yaml",
      "version: 1\ntenant: acme\npeers: [{user: 0}]\nprotocols:\n  chat: {transport: unix, connect: {allow: ['/']}}\n");
  const std::string question = "explain --policy " + path("acme.yaml") + " chat connect ";
  for (const char* own : {"/run/wasi-netd/tenants/x.sock", "/etc/wasi-netd/policy/s", "/etc/wasi-netd/policy"}) {
    const Outcome outcome = run(question + own);
    EXPECT_EQ(outcome.status, 1) << own;
    EXPECT_THAT(outcome.output, HasSubstr("the path is the daemon's own")) << own;
  }
  for (const char* other : {"/etc/wasi-netd/s", "/etc/wasi-netd/policy2", "/run/wasi-netd2/s"}) {
    EXPECT_EQ(run(question + other).status, 0) << other;
  }
}

TEST_F(Netctl, ReservesADirectoryUnderTheNameThatALinkLeadsToAsWell) {
  std::filesystem::create_directory(directory_ / "real");
  std::filesystem::create_directory_symlink(directory_ / "real", directory_ / "link");
  write(
      "acme.yaml",
      "version: 1\ntenant: acme\npeers: [{user: 0}]\nprotocols:\n  chat: {transport: unix, connect: {allow: ['/']}}\n");
  const std::string question =
      "explain --reserved " + path("link") + "/ --policy " + path("acme.yaml") + " chat connect ";
  for (const char* own : {"real/s", "link/s"}) EXPECT_EQ(run(question + path(own)).status, 1) << own;
  EXPECT_EQ(run(question + path("other")).status, 0);
}

TEST_F(Netctl, ExplainBeginsWithTheVerdictThenTheRuleAndTheReason) {
  const std::string file = path("acme.yaml");
  const std::tuple<std::string, int, std::string> kTable[] = {
      {"web connect other.example.com:443", 1, "deny " + file + ":7 \"connect\": no rule matches\n"},
      {"web connect 127.0.0.1:8080", 0, "allow " + file + ":8 \"127.0.0.1:8080\": allowed by rule [loopback]\n"},
      {"web connect '[::ffff:127.0.0.1]:8080'", 0,
       "allow " + file + ":8 \"127.0.0.1:8080\": allowed by rule [loopback]\n"},
      {"web connect 127.0.0.1:22", 1, "deny " + file + ":9 \"127.0.0.1:22\": denied by rule [loopback]\n"},
      {"web connect 169.254.169.254:80", 1,
       "deny " + file + ":7 \"connect\": no rule matches (address class link-local) [link-local]\n"},
      {"--via api.example.com web connect 8.8.8.8:443", 0,
       "allow " + file + ":8 \"api.example.com:443\": allowed by rule [public]\n"},
      {"web resolve other.example.com", 1, "deny " + file + ":7 \"connect\": no rule matches\n"},
      {"web open '[::]:0'", 0,
       "allow " + file + ":5 \"web\": any address with port 0 asks only the right [unspecified]\n"},
      {"web listen '[::]:0'", 1,
       "deny " + file + ":5 \"web\": the protocol does not carry the right 'listen' [unspecified]\n"},
      {"chat accept ''", 0, "allow " + file + ":17 \"*\": allowed by rule\n"},
      {"chat accept @peer", 0, "allow " + file + ":17 \"*\": allowed by rule\n"},
      {"nope connect 1.2.3.4:5", 1,
       "deny " + file + ":4 \"protocols\": the tenant does not have this protocol [public]\n"},
  };
  for (const auto& [arguments, status, output] : kTable) {
    const Outcome outcome = explain(arguments);
    EXPECT_EQ(outcome.output, output) << arguments;
    EXPECT_EQ(outcome.status, status) << arguments;
  }
}

TEST_F(Netctl, ExplainJudgesTheAnswersThatThePolicyItselfGives) {
  const Outcome allowed = explain("web connect api.example.com:443");
  EXPECT_EQ(allowed.status, 0);
  EXPECT_THAT(allowed.output, HasSubstr("\n  93.184.216.34:443 allow "));
  const Outcome mixed = explain("web connect mixed.example.com:443");
  EXPECT_EQ(mixed.status, 0);
  EXPECT_THAT(mixed.output, StartsWith("allow "));
  EXPECT_THAT(mixed.output, HasSubstr("\n  10.0.0.5:443 deny "));
  const Outcome inner = explain("web connect inner.example.com:443");
  EXPECT_EQ(inner.status, 1) << "no answer is allowed, so the connect is not";
  EXPECT_THAT(inner.output,
              StartsWith("deny " + path("acme.yaml") + ":8 \"inner.example.com:443\": address class private: only"));
  EXPECT_THAT(explain("web resolve mixed.example.com").output, HasSubstr("\n  93.184.216.34 allow "));
}

TEST_F(Netctl, ExplainAsksForOneGuest) {
  const std::string file = path("acme.yaml");
  const std::string question = "explain --policy " + file;
  EXPECT_EQ(run(question + " --guest billing chat accept ''").output,
            "deny " + file + ":19 \"billing\": the guest does not have this protocol\n");
  EXPECT_EQ(run(question + " web connect 127.0.0.1:8080").output,
            "deny " + file + ":18 \"guests\": an unnamed guest is not admitted [loopback]\n");
}

TEST_F(Netctl, ExplainSaysWhatAuditModeWouldDeny) {
  write("acme.yaml", std::string(kPolicy) + "mode: audit\n");
  const Outcome outcome = explain("web connect 8.8.8.8:1");
  EXPECT_EQ(outcome.output, "would_deny " + path("acme.yaml") + ":7 \"connect\": no rule matches [public]\n");
  EXPECT_EQ(outcome.status, 1);
}

TEST_F(Netctl, ExplainInJson) {
  EXPECT_EQ(
      explain("--json web connect 127.0.0.1:22").output,
      "{\"verdict\": \"deny\", \"rule\": \"" + path("acme.yaml") +
          ":9\", \"column\": 14, \"text\": \"127.0.0.1:22\", \"reason\": \"denied by rule\", \"protocol\": \"web\", "
          "\"operation\": \"connect\", \"address\": \"127.0.0.1:22\", \"class\": \"loopback\"}\n");
  EXPECT_THAT(explain("--json web connect mixed.example.com:443").output,
              HasSubstr("\"answers\": [{\"address\": \"10.0.0.5:443\", \"verdict\": \"deny\", "));
}

TEST_F(Netctl, ExplainWithoutAnAnswerIsStatus2) {
  for (const char* arguments : {"web connect 127.0.0.1", "web connect 127.0.0.01:80", "web frobnicate 127.0.0.1:80",
                                "web resolve api.example.com:443", "chat connect relative"}) {
    const Outcome outcome = explain(arguments);
    EXPECT_EQ(outcome.status, 2) << arguments;
    EXPECT_EQ(outcome.output, "") << arguments;
    EXPECT_NE(outcome.errors, "") << arguments;
  }
  write("acme.yaml", "version: 1\n");
  const Outcome broken = explain("web connect 127.0.0.1:80");
  EXPECT_EQ(broken.status, 2);
  EXPECT_THAT(broken.errors, HasSubstr("acme.yaml:1:1: the key 'tenant' is missing"));
}

}  // namespace
}  // namespace wasi_netd
