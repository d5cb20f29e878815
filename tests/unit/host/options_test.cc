#include "host/options.h"

#include <gtest/gtest.h>

#include "policy/rights.h"

namespace wasi_netd::host {
namespace {

ParsedOptions parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "wasi-net-run");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Options, EverythingBehindTheModuleIsTheGuests) {
  const auto parsed = parse({"--socket", "/s", "guest.wasm", "--json", "-x", "--", "a"});
  ASSERT_FALSE(parsed.exit_code);
  ASSERT_EQ(parsed.options.guests.size(), 1u);
  const auto& guest = parsed.options.guests[0];
  EXPECT_EQ(guest.wasm, "guest.wasm");
  EXPECT_EQ(guest.args, (std::vector<std::string>{"--json", "-x", "--", "a"}));
  EXPECT_FALSE(parsed.options.json);
  EXPECT_FALSE(parsed.options.from_manifest);
}

TEST(Options, AllOfAGuestCanBeSaid) {
  const auto parsed = parse({"--socket", "/s", "--env", "A=1", "--env", "B=x=y", "--rights", "read,poll", "--engine",
                             "wabt", "--name", "n", "--max-memory", "1MiB", "--json", "g.wasm"});
  ASSERT_FALSE(parsed.exit_code);
  const auto& guest = parsed.options.guests.at(0);
  EXPECT_EQ(guest.env, (std::vector<std::string>{"A=1", "B=x=y"}));
  EXPECT_EQ(guest.rights, right::fd_read | right::poll_fd_readwrite);
  EXPECT_EQ(guest.engine, EngineKind::kWabt);
  EXPECT_EQ(guest.name, "n");
  EXPECT_EQ(guest.max_memory, uint64_t{1} << 20);
  EXPECT_EQ(parsed.options.json, "-");
}

TEST(Options, TheReportCanGoToAFile) {
  EXPECT_EQ(parse({"--socket", "/s", "--json=/tmp/x", "g.wasm"}).options.json, "/tmp/x");
}

TEST(Options, HelpAndVersionEndWithZero) {
  EXPECT_EQ(parse({"--help"}).exit_code, 0);
  EXPECT_EQ(parse({"--version"}).exit_code, 0);
}

TEST(Options, MistakesEndWithTheHostsError) {
  const std::vector<std::vector<const char*>> mistakes = {
      {},
      {"g.wasm"},
      {"--socket", "/s"},
      {"--nothing", "--socket", "/s", "g.wasm"},
      {"--socket", "/s", "--name", "a b", "g.wasm"},
      {"--socket", "/s", "--name", "", "g.wasm"},
      {"--socket", "/s", "--rights", "fly", "g.wasm"},
      {"--socket", "/s", "--rights", "", "g.wasm"},
      {"--socket", "/s", "--env", "novalue", "g.wasm"},
      {"--socket", "/s", "--engine", "v8", "g.wasm"},
      {"--socket", "/s", "--max-memory", "1", "g.wasm"},
      {"--manifest", "/nonexistent"},
      {"--manifest", "/nonexistent", "--socket", "/s"},
      {"--manifest", "/nonexistent", "g.wasm"},
  };
  for (const auto& mistake : mistakes) {
    EXPECT_EQ(parse(mistake).exit_code, kHostError) << (mistake.empty() ? "nothing" : mistake.back());
  }
}

TEST(Names, AreOfLettersThatNeedNoQuotingAndNoLongerThanTheDaemonTakes) {
  EXPECT_EQ(parse_name("a-Z_0.9"), "a-Z_0.9");
  EXPECT_EQ(parse_name(std::string(64, 'n')), std::string(64, 'n'));
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("\xC3\xA9"), std::string(65, 'n')}) {
    EXPECT_EQ(parse_name(bad), std::nullopt) << bad;
  }
}

TEST(Sizes, AreBoundedAndHaveBinaryUnits) {
  EXPECT_EQ(parse_size("65536"), 65536u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("4GiB"), uint64_t{4} << 30);
  for (const char* bad : {"", "1", "5GiB", "64MB", "MiB", "-1", "64 MiB", "18446744073709551616", "0x10000"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

}  // namespace
}  // namespace wasi_netd::host
