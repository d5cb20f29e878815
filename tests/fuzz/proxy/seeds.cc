// The seed run: the fuzz target over the corpus and a fixed series of damaged copies of it, as an ordinary test.
#include <gtest/gtest.h>

#include "tests/fuzz/seed_run.h"

namespace wasi_netd::test {
namespace {

using namespace std::string_view_literals;
// Characters that mean something to one of the protocols.
constexpr std::string_view kTelling = "\0\1\2\3\4\5\xff\r\n\t :/.012HTP"sv;

std::vector<std::string> seeds() { return files_of({WASI_NETD_SOURCE_DIR "/tests/fuzz/proxy/corpus"}); }

TEST(FuzzProxy, EverySeedIsRead) {
  const std::vector<std::string> inputs = seeds();
  ASSERT_GT(inputs.size(), 15u);
  for (const std::string& input : inputs) EXPECT_EQ(run_target(input), 0);
}

TEST(FuzzProxy, DamagedAnswersAreRefusedOrReadButNeverMore) {
  const std::vector<std::string> inputs = seeds();
  constexpr unsigned kSeed = 7;  // fixed: a failure comes again
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    ASSERT_EQ(run_target(damaged(inputs[random() % inputs.size()], kTelling, random)), 0);
  }
}

}  // namespace
}  // namespace wasi_netd::test
