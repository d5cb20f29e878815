// The seed run: the fuzz target over the corpus, the examples and a fixed series of damaged copies of them, as an
// ordinary test.
#include <gtest/gtest.h>

#include "tests/fuzz/seed_run.h"

namespace wasi_netd::test {
namespace {

using namespace std::string_view_literals;

std::vector<std::string> seeds() {
  return files_of({WASI_NETD_SOURCE_DIR "/tests/fuzz/policy/corpus", WASI_NETD_SOURCE_DIR "/policy/examples"});
}

TEST(FuzzPolicy, EverySeedIsRead) {
  const std::vector<std::string> inputs = seeds();
  ASSERT_GT(inputs.size(), 20u);
  for (const std::string& input : inputs) EXPECT_EQ(run_target(input), 0);
}

TEST(FuzzPolicy, DamagedFilesAreRefusedOrReadButNeverMore) {
  // Characters that mean something to YAML or to rules.
  constexpr std::string_view kTelling = "[]{}:,-#&*!|>'\"%@`\n\t \\/.0129afx~?\xff\0"sv;
  const std::vector<std::string> inputs = seeds();
  constexpr unsigned kSeed = 5;  // fixed: a failure comes again
  std::mt19937 random(kSeed);
  for (int round = 0; round < 3000; ++round) {
    ASSERT_EQ(run_target(damaged(inputs[random() % inputs.size()], kTelling, random)), 0);
  }
}

TEST(FuzzPolicy, ANameOrAddressOfAnyBytesIsReadOrRefused) {
  constexpr std::string_view kTelling = "0123456789abcdefx:.[]%/@*-\0 ,"sv;
  constexpr unsigned kSeed = 6;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    std::string input;
    for (unsigned length = random() % 24; length > 0; --length) input += kTelling[random() % kTelling.size()];
    ASSERT_EQ(run_target(input), 0);
  }
}

}  // namespace
}  // namespace wasi_netd::test
