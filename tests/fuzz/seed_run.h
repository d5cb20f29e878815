#pragma once
// What the seed runs share: a fuzz target called from an ordinary test, its corpus, and damaged copies of it.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace wasi_netd::test {

inline int run_target(const std::string& input) {
  return LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

inline std::vector<std::string> files_of(const std::vector<std::filesystem::path>& folders) {
  std::vector<std::string> inputs;
  for (const auto& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return inputs;
}

// One to four edits: cuts, repeats and overwrites, with any byte or one of `telling`, the characters that mean
// something to what reads the input.
inline std::string damaged(std::string input, std::string_view telling, std::mt19937& random) {
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
        input[at] = telling[random() % telling.size()];
        break;
      default:
        input[at] = static_cast<char>(random());
        break;
    }
  }
  return input;
}

}  // namespace wasi_netd::test
