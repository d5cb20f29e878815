// The seed run: the fuzz target over the corpus and a fixed series of damaged copies of it, as an ordinary test.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

int run(const std::string& input) {
  return LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  const std::filesystem::path folder = std::filesystem::path(WASI_NETD_SOURCE_DIR) / "tests/fuzz/proxy/corpus";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

// Cuts, repeats, swaps and overwrites, with characters that mean something to one of the protocols.
std::string damaged(std::string input, std::mt19937& random) {
  using namespace std::string_view_literals;
  constexpr std::string_view kTelling = "\0\1\2\3\4\5\xff\r\n\t :/.012HTP"sv;
  for (unsigned edits = 1 + random() % 4; edits > 0 && !input.empty(); --edits) {
    const size_t at = random() % input.size();
    const size_t length = 1 + random() % 16;
    switch (random() % 4) {
      case 0:
        input.erase(at, length);
        break;
      case 1:
        input.insert(random() % input.size(), input.substr(at, length));
        break;
      case 2:
        input[at] = kTelling[random() % kTelling.size()];
        break;
      default:
        input[at] = static_cast<char>(random());
        break;
    }
  }
  return input;
}

TEST(FuzzProxy, EverySeedIsRead) {
  const std::vector<std::string> inputs = seeds();
  ASSERT_GT(inputs.size(), 15u);
  for (const std::string& input : inputs) EXPECT_EQ(run(input), 0);
}

TEST(FuzzProxy, DamagedAnswersAreRefusedOrReadButNeverMore) {
  const std::vector<std::string> inputs = seeds();
  constexpr unsigned kSeed = 7;  // fixed: a failure comes again
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20000; ++round) ASSERT_EQ(run(damaged(inputs[random() % inputs.size()], random)), 0);
}

}  // namespace
