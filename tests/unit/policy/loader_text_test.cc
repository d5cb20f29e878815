// What the loader makes of bytes that are not a well-behaved YAML file, and of files that are not files.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/policy/loader_errors.h"

namespace wasi_netd::policy {
namespace {

using ::testing::HasSubstr;

using testing::kGood;

LoadResult load(std::string_view text) { return load_text(text, "t.yaml", testing::kReserved, testing::kAccounts); }

std::string first_error(std::string_view text) {
  const LoadResult result = load(text);
  EXPECT_EQ(result.policy, nullptr);
  return result.errors.empty() ? "none" : to_string(result.errors[0]);
}

TEST(LoaderText, AByteOrderMarkAndWindowsLineEndsChangeNothing) {
  std::string text = "\xef\xbb\xbf";
  for (const char c : kGood) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const LoadResult result = load(text);
  ASSERT_TRUE(result.policy);
  const Decision decision = result.policy->decide({"", "web", Operation::kConnect, NameEndpoint{"a.example", 443}, {}});
  EXPECT_EQ(decision.rule.line, 7);
  EXPECT_EQ(decision.rule.column, 23);
}

TEST(LoaderText, BytesThatAreNotTextAreRefusedWhereTheyStand) {
  using namespace std::string_literals;
  const std::pair<std::string, std::string> kTable[] = {
      {"version: 1\ntenant: \0t\n"s, "t.yaml:2:9: a NUL byte"},
      {"version: 1\n# \xff\n", "t.yaml:2:3: not UTF-8"},
      {"# \xc0\xaf\n", "t.yaml:1:3: not UTF-8"},  // overlong
      {"# \xe0\x80\xaf\n", "t.yaml:1:3: not UTF-8"},
      {"# \xf0\x80\x80\xaf\n", "t.yaml:1:3: not UTF-8"},
      {"# \xed\xa0\x80\n", "t.yaml:1:3: not UTF-8"},      // surrogate
      {"# \xf4\x90\x80\x80\n", "t.yaml:1:3: not UTF-8"},  // beyond Unicode
      {"# \xe2\x82", "t.yaml:1:3: not UTF-8"},            // cut short
      {"\xff\xfe"
       "v\0e\0"s,
       "t.yaml:1:1: not UTF-8"},  // UTF-16
      {"a: b\rc: d\n", "t.yaml:1:5: a carriage return without a line feed"},
      {"a: \x1b[31m\n", "t.yaml:1:4: a control character"},
      {"a: \x7f\n", "t.yaml:1:4: a control character"},
      {"a: \xc2\x9b"
       "2J\n",
       "t.yaml:1:4: a control character"},  // C1: terminals take it for ESC [
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(first_error(text), expected);
  EXPECT_TRUE(load("# grüße € 𝄞\n" + std::string(kGood)).policy);
}

// Errors show keys and values: one with an escape would clear the reader's screen, forge a line or cut the message.
TEST(LoaderText, ControlCharactersDoNotComeInByEscapes) {
  constexpr std::string_view kMessage =
      "a text with a control character, such as an escape or line break, or that is not UTF-8";
  const std::pair<std::string_view, std::string_view> kTable[] = {
      {"\"\\e[2J\\nt.yaml:1:1: forged\": 1\n", "t.yaml:8:1: "},
      {"limits: {\"\\x07\": 1}\n", "t.yaml:8:10: "},
      {"mode: \"a\\0b\"\n", "t.yaml:8:7: "},
      {"mode: \"\\x9b2J\"\n", "t.yaml:8:7: "},  // C1
      {"mode: \"\\N\"\n", "t.yaml:8:7: "},      // NEL
      {"mode: \"\\_\"\n", "t.yaml:8:7: "},      // yaml-cpp: byte a0 alone
      {"mode: \"\\x7f\"\n", "t.yaml:8:7: "},
      {"mode: \"a\\tb\"\n", "t.yaml:8:7: "},
      {"mode: |\n  audit\n", "t.yaml:8:7: "},
  };
  for (const auto& [lines, place] : kTable) {
    EXPECT_EQ(first_error(std::string(kGood) + std::string(lines)), std::string(place) + std::string(kMessage))
        << lines;
  }
}

TEST(LoaderText, ErrorsAreOnePrintableLineWhateverTheyName) {
  EXPECT_EQ(to_string(LoadError{"a\nb.yaml", 1, 2, std::string("x\0\x1b\xc2\x9b\x9b é", 9)}),
            "a\\x0ab.yaml:1:2: x\\x00\\x1b\\xc2\\x9b\\x9b é");
}

TEST(LoaderText, WhatIsNotOnePlainDocumentIsRefused) {
  const std::pair<std::string_view, std::string_view> kTable[] = {
      {"", "t.yaml: the file is empty"},
      {"# nothing\n", "t.yaml: the file is empty"},
      {"version: 1\n---\nversion: 1\n", "t.yaml:3:1: a second document; a policy file holds one"},
      {"version: &v 1\n", "t.yaml:1:10: anchors are not allowed"},
      {"version: &v 1\nlimits: *v\n", "t.yaml:1:10: anchors are not allowed"},
      {"limits: *v\n", "t.yaml:1:9: aliases are not allowed; text that begins with '*' needs quotes"},
      {"a: [*.example]\n", "t.yaml:1:5: aliases are not allowed; text that begins with '*' needs quotes"},
      {"version: !!int 1\n", "t.yaml:1:10: tags are not allowed"},
      {"limits: !custom {a: 1}\n", "t.yaml:1:9: tags are not allowed"},
      {"tenant: !!binary dA==\n", "t.yaml:1:9: tags are not allowed"},
      {"mode: ! audit\n", "t.yaml:1:7: tags are not allowed"},  // the non-specific tag
      {"mode: ! \"audit\"\n", "t.yaml:1:7: tags are not allowed"},
      {"# é\nlimits: ! {handles: 1}\n", "t.yaml:2:9: tags are not allowed"},
      {"a: [b, ! [c]]\n", "t.yaml:1:8: tags are not allowed"},
      {"! a: b\n", "t.yaml:1:1: tags are not allowed"},
      {"a: @name\n", "t.yaml:1:4: not YAML: text that begins with this character needs quotes"},
      {"a: [1, 2\n", "t.yaml:2:1: not YAML: end of sequence flow not found"},
      {"a: {b: 1\n", "t.yaml:2:1: not YAML: end of map flow not found"},
      {"a: b: c\n", "t.yaml:1:5: not YAML: illegal map value"},
      {"a: \"unclosed\n", "t.yaml:1:4: not YAML: the quote is never closed"},
      {"a: \"un\\\"closed\n", "t.yaml:1:4: not YAML: the quote is never closed"},
      {"a: 'un''closed\nb: c\n", "t.yaml:1:4: not YAML: the quote is never closed"},
      {"a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n", "t.yaml:1:15: nested too deeply for a policy"},
  };
  for (const auto& [text, expected] : kTable) EXPECT_EQ(first_error(text), expected) << text;
}

TEST(LoaderText, ABombOfAliasesIsRefusedAtItsFirstAnchor) {
  std::string text = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    text += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) text += std::string(i == 0 ? "*" : ", *") + static_cast<char>(c - 1);
    text += "]\n";
  }
  EXPECT_EQ(first_error(text), "t.yaml:1:4: anchors are not allowed");
}

TEST(LoaderText, DepthAndSizeAreBounded) {
  EXPECT_THAT(first_error(std::string(100'000, '[')), HasSubstr("nested too deeply for a policy"));
  EXPECT_THAT(first_error(std::string(100'000, '{')), HasSubstr("nested too deeply for a policy"));
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(first_error(nested), HasSubstr("nested too deeply for a policy"));
  EXPECT_EQ(first_error(std::string(kGood) + std::string((size_t{8} << 20), '#')), "t.yaml: larger than 8 MiB");
  std::string long_name(kGood);
  long_name.replace(long_name.find("tenant: t"), 9, "tenant: " + std::string(5000, 'a'));
  EXPECT_EQ(first_error(long_name), "t.yaml:2:9: longer than 1024 bytes");
}

constexpr std::string_view kTooFar =
    "what follows, in brackets, quotes or a comment, is not over after 1 MiB; long lists go in block form";

// A bracket made yaml-cpp read and keep all that followed, 2 GiB for 8 MiB of them. The '@', which is no YAML, stands
// where only a parser that reads on finds it.
TEST(LoaderText, TheParserDoesNotReadFarAheadOfWhatItTells) {
  for (const std::string unit : {"[", "[-", "{a: ", "[\n", "a, ", "{a: b}, "}) {
    std::string text = "{limits: [";
    while (text.size() < (size_t{2} << 20)) text += unit;
    EXPECT_EQ(first_error(text + "@\n"), "t.yaml:1:1: " + std::string(kTooFar)) << unit;
  }
  const std::string far(size_t{2} << 20, 'x');
  EXPECT_EQ(first_error(std::string(kGood) + "mode: '" + far + "'\n@\n"), "t.yaml:8:1: " + std::string(kTooFar));
  EXPECT_EQ(first_error(std::string(kGood) + "# " + far + "\n@\n"), "t.yaml:7:23: " + std::string(kTooFar));
  EXPECT_EQ(first_error("# " + far), "t.yaml:1:1: " + std::string(kTooFar));
}

// A list in brackets is told as it is read where it cannot be a key, which is where long ones stand.
TEST(LoaderText, ALongListIsNotReadAhead) {
  std::string block;
  std::string flow;
  for (int i = 0; i < 70'000; ++i) {
    const std::string rule =
        "'10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255) + ":443'";
    block += "        - " + rule + "\n";
    flow += rule + ", ";
  }
  ASSERT_GT(flow.size(), size_t{1} << 20);
  const std::string start = "protocols:\n  web:\n    transport: tcp\n    connect:\n      allow:";
  EXPECT_TRUE(testing::load_body(start + "\n" + block).policy);
  EXPECT_TRUE(testing::load_body(start + " [" + flow + "]\n").policy);
  const std::string json =
      "{version: 1, tenant: t, peers: [{user: wasmhost}], protocols: {web: {transport: tcp, connect: {allow: [";
  EXPECT_EQ(first_error(json + flow + "]}}}}\n"), "t.yaml:1:1: " + std::string(kTooFar));
  EXPECT_TRUE(load(json + flow.substr(0, flow.find("'10.0.200.0:443'")) + "]}}}}\n").policy);
}

TEST(LoaderText, TheFilesNameIsTheTenants) {
  const auto load_as = [](const std::string& file) {
    const LoadResult result = load_text(kGood, file, testing::kReserved, testing::kAccounts);
    return result.errors.empty() ? "ok" : result.errors[0].message;
  };
  EXPECT_EQ(load_as("t.yaml"), "ok");
  EXPECT_EQ(load_as("/etc/wasi-netd/policy/t.yaml"), "ok");
  EXPECT_THAT(load_as("u.yaml"), HasSubstr("belongs in t.yaml"));
  EXPECT_THAT(load_as("t.yml"), HasSubstr("belongs in t.yaml"));
  EXPECT_THAT(load_as("t"), HasSubstr("belongs in t.yaml"));
  EXPECT_THAT(load_as("t.yaml/u.yaml"), HasSubstr("belongs in t.yaml"));
}

class LoaderFile : public ::testing::Test {
 protected:
  LoaderFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "policy-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~LoaderFile() override { std::filesystem::remove_all(directory_); }
  std::string path(const char* name) const { return (directory_ / name).string(); }
  static LoadResult load(const std::string& path) { return load_file(path, testing::kReserved, testing::kAccounts); }
  std::filesystem::path directory_;
};

TEST_F(LoaderFile, AGoodFileLoadsAndItsRulesCiteItsPath) {
  std::ofstream(path("t.yaml")) << kGood;
  const LoadResult result = load(path("t.yaml"));
  ASSERT_TRUE(result.policy);
  EXPECT_EQ(result.policy->decide({}).rule.file, path("t.yaml"));
}

TEST_F(LoaderFile, WhatIsNotARegularFileIsRefusedAtOnce) {
  ASSERT_EQ(mkfifo(path("t.yaml").c_str(), 0600), 0);
  EXPECT_THAT(to_string(load(path("t.yaml")).errors.at(0)), HasSubstr("t.yaml: cannot be read: not a regular file"));
  EXPECT_THAT(to_string(load(directory_).errors.at(0)), HasSubstr("cannot be read: not a regular file"));
  EXPECT_THAT(to_string(load(path("absent.yaml")).errors.at(0)),
              HasSubstr("absent.yaml: cannot be read: No such file"));
}

TEST_F(LoaderFile, ATooLargeFileIsRefused) {
  std::ofstream(path("t.yaml")) << std::string((size_t{8} << 20) + 1, '#');
  EXPECT_THAT(to_string(load(path("t.yaml")).errors.at(0)), HasSubstr("t.yaml: larger than 8 MiB"));
}

}  // namespace
}  // namespace wasi_netd::policy
