// The key table, the JSON Schema printed from it, the examples and the reference agree.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "policy/json_schema.h"
#include "policy/key_table.h"
#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kRoot = WASI_NETD_SOURCE_DIR;

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<uint32_t> any_account(const std::string&) { return 1; }

// Every key and word of the table; keys of later versions, which have no type, only if wanted.
void collect(const Type& type, bool later, std::vector<std::string_view>& names) {
  for (const std::string_view word : type.words) names.push_back(word);
  for (const Key& key : type.keys) {
    if (key.type != nullptr || later) names.push_back(key.name);
    if (key.type != nullptr) collect(*key.type, later, names);
  }
  if (type.item != nullptr) collect(*type.item, later, names);
}

TEST(Schema, TheCommittedCopyIsWhatTheLoaderPrints) {
  EXPECT_EQ(contents(kRoot / "policy/schema/tenant.schema.json"), json_schema())
      << "run: wasi-netctl schema > policy/schema/tenant.schema.json";
}

TEST(Schema, SaysHowSmallBuffersMayBe) {
  const std::string least = std::to_string(kLeastBuffers >> 10) + "KiB";
  EXPECT_THAT(json_schema(), HasSubstr("Memory for bytes on their way, at least " + least));
  EXPECT_THAT(contents(kRoot / "docs/policy.md"), HasSubstr("bytes on their way, at least `" + least + "`"));
}

TEST(Schema, TheReferenceNamesEveryKeyAndWord) {
  const std::string reference = contents(kRoot / "docs/policy.md");
  std::vector<std::string_view> names;
  collect(policy_file_type(), true, names);
  for (const std::string_view name : names) {
    EXPECT_THAT(reference, HasSubstr("`" + std::string(name))) << "docs/policy.md does not explain it";
  }
}

TEST(Schema, TheReferenceExampleHasEveryKey) {
  const std::string example = contents(kRoot / "policy/examples/reference.yaml");
  std::vector<std::string_view> names;
  collect(policy_file_type(), false, names);
  for (const std::string_view name : names) EXPECT_THAT(example, HasSubstr(std::string(name)));
}

TEST(Schema, EveryRightOfTheContractIsKnownOrNamedAsLater) {
  const char* kWords[] = {
#define WASI_NETD_RIGHT(name, bit, word) word,
#include "wasi_netd/rights.def"
#undef WASI_NETD_RIGHT
  };
  for (const char* word : kWords) {
    const LoadResult result = testing::load_body(
        "protocols:\n  a:\n    transport: tcp\n    connect: {allow: [a.example]}\n    rights: [open, connect, " +
        std::string(word) + "]\n");
    for (const LoadError& error : result.errors) {
      EXPECT_THAT(error.message, ::testing::AnyOf(HasSubstr("this version does not support"),
                                                  HasSubstr("has no use here"), HasSubstr("in the list already")));
    }
  }
}

TEST(Examples, AllOfThemLoadAndTheirTestsHold) {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "policy/examples")) {
    ++examples;
    const LoadResult result = load_file(entry.path(), testing::kReserved, {any_account, any_account});
    for (const LoadError& error : result.errors) ADD_FAILURE() << to_string(error);
    for (const LoadError& warning : result.warnings) ADD_FAILURE() << to_string(warning);
    EXPECT_TRUE(result.policy) << entry.path();
  }
  EXPECT_GE(examples, 10);
}

TEST(Schema, TextIsQuotedAsJsonWants) {
  EXPECT_EQ(json_quote("a\"b\\c\n\x1f\x7fü"), "\"a\\\"b\\\\c\\u000a\\u001f\\u007fü\"");
}

}  // namespace
}  // namespace wasi_netd::policy
