#include "daemon/app/config.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/native.h"

namespace wasi_netd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

class ConfigTest : public testing::Test {
 protected:
  Result<Config> load(const std::string& text) {
    std::ofstream(file_) << text;
    return load_config(file_);
  }
  // The errors, with the file's name cut off each: "2:7: ...".
  std::string errors(const std::string& text) {
    const auto config = load(text);
    if (config) return "none";
    EXPECT_EQ(config.error().code, Errno::inval);
    std::string detail = config.error().detail;
    for (size_t at; (at = detail.find(file_ + ":")) != std::string::npos;) detail.erase(at, file_.size() + 1);
    return detail;
  }

  test::TemporaryDirectory directory_;
  const std::string file_ = directory_ / "config.yaml";
};

TEST_F(ConfigTest, EveryKeyIsRead) {
  const auto config = load(R"(
policy_dir: /srv/policy
runtime_dir: "/run/net d"
loops: 3
linger: 500ms
drain: 2m
audit: {file: /var/log/audit.jsonl, queue: 77}
log: {level: debug}
debug: {tls_key_log: environment}
)");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->policy_dir, "/srv/policy");
  EXPECT_EQ(config->runtime_dir, "/run/net d");
  EXPECT_EQ(config->loops, 3u);
  EXPECT_EQ(config->linger, 500ms);
  EXPECT_EQ(config->drain, 2min);
  EXPECT_EQ(config->audit_file, "/var/log/audit.jsonl");
  EXPECT_EQ(config->audit_queue, 77u);
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_TRUE(config->tls_key_log);
}

TEST_F(ConfigTest, WhatTheFileDoesNotSayKeepsItsDefault) {
  const auto config = load("loops: 2\n");
  ASSERT_TRUE(config) << config.error().detail;
  const Config defaults;
  EXPECT_EQ(config->policy_dir, defaults.policy_dir);
  EXPECT_EQ(config->drain, defaults.drain);
  EXPECT_EQ(config->audit_file, "-");
}

TEST_F(ConfigTest, AFileOfCommentsOnlyChangesNothing) {
  for (const char* text : {"", "\n", "# nothing\n", "  # nothing\n\n#drain: 1s", "\r\n"}) {
    const auto config = load(text);
    ASSERT_TRUE(config) << config.error().detail;
    EXPECT_EQ(config->drain, Config().drain);
  }
}

// Every line of the file that is installed is a comment, but what stands behind the '#' must be the format's and, as
// the file says, the defaults.
TEST_F(ConfigTest, TheInstalledFileShowsTheDefaults) {
  std::ifstream installed(WASI_NETD_INSTALLED_CONFIG);
  std::string shown;
  for (std::string line; std::getline(installed, line);) {
    const bool sentence = line.size() > 2 && line[1] == ' ' && line[2] != ' ';
    if (line.starts_with("#") && !sentence) shown += line.substr(1) + "\n";
  }
  EXPECT_TRUE(load_config(WASI_NETD_INSTALLED_CONFIG));
  const auto config = load(shown);
  ASSERT_TRUE(config) << config.error().detail;
  const Config defaults;
  EXPECT_EQ(config->policy_dir, defaults.policy_dir);
  EXPECT_EQ(config->runtime_dir, defaults.runtime_dir);
  EXPECT_EQ(config->loops, defaults.loops);
  EXPECT_EQ(config->linger, defaults.linger);
  EXPECT_EQ(config->drain, defaults.drain);
  EXPECT_EQ(config->audit_file, defaults.audit_file);
  EXPECT_EQ(config->audit_queue, defaults.audit_queue);
  EXPECT_EQ(config->log_level, defaults.log_level);
  EXPECT_FALSE(config->tls_key_log);
  for (const char* key :
       {"policy_dir:", "runtime_dir:", "loops:", "linger:", "drain:", "file:", "queue:", "level:", "tls_key_log:"}) {
    EXPECT_THAT(shown, HasSubstr(key));
  }
}

TEST_F(ConfigTest, ZeroIsADuration) {
  const auto config = load("linger: 0s\ndrain: 0ms\n");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->linger, 0ms);
  EXPECT_EQ(config->drain, 0ms);
}

struct Mistake {
  const char* name;
  const char* text;
  const char* position;
  const char* says;
};
class ConfigMistakes : public ConfigTest, public testing::WithParamInterface<Mistake> {};

TEST_P(ConfigMistakes, IsOneErrorWithItsPlace) {
  const std::string found = errors(GetParam().text);
  EXPECT_THAT(found, StartsWith(GetParam().position));
  EXPECT_THAT(found, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 0) << found;
}

INSTANTIATE_TEST_SUITE_P(
    , ConfigMistakes,
    testing::Values(Mistake{"UnknownKey", "loops: 1\npolice_dir: /a\n", "2:1: ", "did you mean 'policy_dir'?"},
                    Mistake{"UnknownNestedKey", "audit: {file: /a, size: 1}\n", "1:19: ", "unknown key 'size'"},
                    Mistake{"RepeatedKey", "loops: 1\nloops: 2\n", "2:1: ", "line 1"},
                    Mistake{"NotANumber", "loops: many\n", "1:8: ", "0 (one loop per processor) to 64"},
                    Mistake{"TooManyLoops", "loops: 65\n", "1:8: ", "64"},
                    Mistake{"NegativeLoops", "loops: -1\n", "1:8: ", "64"},
                    Mistake{"EmptyQueue", "audit: {queue: 0}\n", "1:16: ", "1 to 1000000"},
                    Mistake{"HugeQueue", "audit:\n  queue: 99999999999999999999\n", "2:10: ", "1 to 1000000"},
                    Mistake{"DurationWithoutUnit", "drain: 5\n", "1:8: ", "10s"},
                    Mistake{"DurationOutOfRange", "linger: 61m\n", "1:9: ", "up to 60m"},
                    Mistake{"NegativeDuration", "linger: -1s\n", "1:9: ", "10s"},
                    Mistake{"RelativeDirectory", "policy_dir: policies\n", "1:13: ", "an absolute path"},
                    Mistake{"RelativeAuditFile", "audit: {file: audit.log}\n", "1:15: ", "'-' for stdout"},
                    Mistake{"UnknownLevel", "log: {level: loud}\n", "1:14: ", "trace"},
                    Mistake{"ScalarForMapping", "audit: none\n", "1:8: ", "a mapping"},
                    Mistake{"ListForText", "policy_dir: [/a]\n", "1:13: ", "an absolute path"},
                    Mistake{"NoValue", "policy_dir:\n", "1:1: ", "an absolute path"},
                    Mistake{"ListAsFile", "- loops\n", "1:1: ", "a mapping"},
                    Mistake{"Anchor", "policy_dir: &a /x\n", "1:13: ", "anchors"},
                    Mistake{"Alias", "policy_dir: *a\n", "1:", "alias"},
                    Mistake{"TwoDocuments", "loops: 1\n---\nloops: 2\n", "3:1: ", "second document"},
                    Mistake{"BrokenYaml", "loops: [1\n", "2:", "not YAML"},
                    Mistake{"ControlCharacter", "policy_dir: /a\x1b[31m\n", "1:15: ", "control character"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(ConfigTest, EveryMistakeIsTold) {
  const std::string found = errors("loops: x\ndrain: y\nlog: {level: z}\n");
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 2) << found;
  EXPECT_THAT(found, HasSubstr("\n2:8: "));
  EXPECT_THAT(found, HasSubstr("\n3:14: "));
}

TEST_F(ConfigTest, AMissingFileIsAnErrorThatNamesIt) {
  const auto config = load_config(directory_ / "none.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errno::noent);
  EXPECT_THAT(config.error().detail, HasSubstr(directory_ / "none.yaml"));
}

TEST_F(ConfigTest, ADirectoryOrAnEndlessFileIsAnError) {
  EXPECT_THAT(load_config(directory_.path()).error().detail, HasSubstr(directory_.path()));
  EXPECT_THAT(load_config("/dev/zero").error().detail, HasSubstr("larger than 1 MiB"));
}

TEST_F(ConfigTest, AFifoDoesNotHang) {
  const std::string fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(load_config(fifo));  // nothing to read in it
}

}  // namespace
}  // namespace wasi_netd
