// The manifest's reader: what it takes, and for what it does not the place and what was expected.
#include "host/manifest.h"

#include <gtest/gtest.h>

#include "policy/rights.h"

namespace wasi_netd::host {
namespace {

Manifest read(const std::string& text) { return parse_manifest(text, "dir/hosts.yaml"); }

TEST(Manifest, AGuestNeedsASocketAndAModuleAndHasDefaultsForTheRest) {
  const auto manifest = read("guests:\n  - {socket: /run/a.sock, wasm: sub/guest.wasm}\n");
  ASSERT_TRUE(manifest.errors.empty()) << manifest.errors[0];
  ASSERT_EQ(manifest.guests.size(), 1u);
  const auto& guest = manifest.guests[0];
  EXPECT_EQ(guest.socket, "/run/a.sock");
  EXPECT_EQ(guest.wasm, "dir/sub/guest.wasm");
  EXPECT_EQ(guest.name, "");
  EXPECT_EQ(guest.label, "guest");
  EXPECT_EQ(guest.engine, EngineKind::kWasmtime);
  EXPECT_EQ(guest.rights, 0u);
  EXPECT_EQ(guest.max_memory, uint64_t{256} << 20);
  EXPECT_EQ(guest.stdio[0].kind, Stdio::Kind::kNull);
  EXPECT_EQ(guest.stdio[1].kind, Stdio::Kind::kInherit);
}

TEST(Manifest, ErrorsAreOnePrintableLineWhateverTheFileSays) {
  const std::pair<const char*, const char*> kTable[] = {
      {"\"\\e[2J\\ndir/hosts.yaml:1:1: forged\": 1\nguests: [{socket: s, wasm: g.wasm}]\n",
       "dir/hosts.yaml:1:1: unknown key ' [2J dir/hosts.yaml:1:1: forged', expected 'guests'"},
      {"guests: [{socket: s, wasm: g.wasm, engine: \"a\\0\\x9b2Jb\"}]\n",
       "dir/hosts.yaml:1:44: expected wasmtime or wabt"},
      {"guests: [{socket: s, wasm: g.wasm, engine: \"a\\x9b2J\\nb\"}]\n",
       "dir/hosts.yaml:1:44: expected wasmtime or wabt, found 'a 2J b'"},
  };
  for (const auto& [text, expected] : kTable) {
    EXPECT_EQ(read(text).errors, std::vector<std::string>{expected}) << text;
  }
}

TEST(Manifest, EveryKeyIsRead) {
  const auto manifest = read(R"(guests:
  - name: billing
    socket: /run/a.sock
    wasm: /g.wasm
    args: [web, "x y", ""]
    env: {A: "1", B: ""}
    rights: [read, write]
    engine: wabt
    max_memory: 1MiB
    stdin: in.txt
    stdout: null
    stderr: inherit
)");
  ASSERT_TRUE(manifest.errors.empty()) << manifest.errors[0];
  const auto& guest = manifest.guests.at(0);
  EXPECT_EQ(guest.name, "billing");
  EXPECT_EQ(guest.wasm, "/g.wasm");
  EXPECT_EQ(guest.args, (std::vector<std::string>{"web", "x y", ""}));
  EXPECT_EQ(guest.env, (std::vector<std::string>{"A=1", "B="}));
  EXPECT_EQ(guest.rights, right::fd_read | right::fd_write);
  EXPECT_EQ(guest.engine, EngineKind::kWabt);
  EXPECT_EQ(guest.max_memory, uint64_t{1} << 20);
  EXPECT_EQ(guest.stdio[0].path, "dir/in.txt");
  EXPECT_EQ(guest.stdio[1].kind, Stdio::Kind::kNull);
  EXPECT_EQ(guest.stdio[2].kind, Stdio::Kind::kInherit);
}

TEST(Manifest, CountMakesInstancesWithOneNameAndLabelsOfTheirOwn) {
  const auto manifest =
      read("guests:\n  - {name: a, socket: s, wasm: g.wasm, count: 3}\n  - {name: a, socket: s, wasm: g.wasm}\n");
  ASSERT_EQ(manifest.guests.size(), 4u);
  std::vector<std::string> labels;
  for (const auto& guest : manifest.guests) {
    EXPECT_EQ(guest.name, "a");
    labels.push_back(guest.label);
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"a", "a#2", "a#3", "a#4"}));
}

TEST(Manifest, ErrorsSayWhereAndWhatWasExpected) {
  struct Case {
    const char* text;
    const char* error;
  };
  for (const Case& c : {
           Case{"", "dir/hosts.yaml:1:1: expected"},
           Case{"[]", "dir/hosts.yaml:1:1: expected 'guests:'"},
           Case{"guest: []", "dir/hosts.yaml:1:1: unknown key 'guest', expected 'guests'"},
           Case{"guests: []", "dir/hosts.yaml:1:9: expected a list of guests"},
           Case{"guests: [3]", "dir/hosts.yaml:1:10: expected a guest"},
           Case{"guests:\n  - {socket: s}", "dir/hosts.yaml:2:5: the guest has no 'wasm'"},
           Case{"guests:\n  - {wasm: s}", "dir/hosts.yaml:2:5: the guest has no 'socket'"},
           Case{"guests:\n  - {socket: s, wasm: g, wasm: h}", "dir/hosts.yaml:2:26: 'wasm' stands here twice"},
           Case{"guests:\n  - {socket: s, wasm: g, colour: 1}", "dir/hosts.yaml:2:26: unknown key 'colour'"},
           Case{"guests:\n  - {socket: '', wasm: g}", "dir/hosts.yaml:2:14: expected a path"},
           Case{"guests:\n  - {socket: s, wasm: g, engine: v8}", "expected wasmtime or wabt, found 'v8'"},
           Case{"guests:\n  - {socket: s, wasm: g, count: 0}", "expected a number from 1 to 10000, found '0'"},
           Case{"guests:\n  - {socket: s, wasm: g, count: 99999}", "expected a number from 1 to 10000"},
           Case{"guests:\n  - {socket: s, wasm: g, rights: [fly]}", "unknown right 'fly', expected one of read"},
           Case{"guests:\n  - {socket: s, wasm: g, rights: []}", "an empty list of rights"},
           Case{"guests:\n  - {socket: s, wasm: g, args: x}", "expected a list of arguments"},
           Case{"guests:\n  - {socket: s, wasm: g, args: [\"a\\0b\"]}", "expected a text"},
           Case{"guests:\n  - {socket: s, wasm: g, env: {\"A=B\": c}}", "'A=B' cannot name"},
           Case{"guests:\n  - {socket: s, wasm: g, max_memory: 5GiB}", "expected a size such as 64MiB"},
           Case{"guests:\n  - {socket: s, wasm: g, max_memory: -1}", "expected a size such as 64MiB"},
           Case{"guests:\n  - {socket: s, wasm: g, name: 'a b'}", "expected a name of at most 64 letters"},
           Case{"guests:\n  - {socket: s, wasm: g\n", "dir/hosts.yaml:3:1: "},
           Case{"--- {}\n--- {}\n", "expected one YAML document, found 2"},
       }) {
    const auto manifest = read(c.text);
    ASSERT_FALSE(manifest.errors.empty()) << c.text;
    EXPECT_NE(manifest.errors[0].find(c.error), std::string::npos) << manifest.errors[0] << "\nfor: " << c.text;
  }
}

TEST(Manifest, AllErrorsAreReportedAtOnce) {
  EXPECT_EQ(read("guests:\n  - {socket: s, engine: x, count: 0}\n  - {wasm: g, nothing: 1}\n").errors.size(), 5u);
}

TEST(Manifest, ManyGuestsAreRefusedAboveALimit) {
  const auto manifest = read("guests:\n  - {socket: s, wasm: g, count: 10000}\n  - {socket: s, wasm: g, count: 1}\n");
  ASSERT_EQ(manifest.errors.size(), 1u);
  EXPECT_EQ(manifest.guests.size(), 10000u);
}

TEST(Manifest, AFileThatCannotBeReadIsAnError) {
  EXPECT_EQ(load_manifest("/nonexistent/hosts.yaml").errors.size(), 1u);
  EXPECT_EQ(load_manifest("/").errors.size(), 1u);
}

TEST(Manifest, HostileYamlIsAnErrorAndNothingElse) {
  EXPECT_FALSE(read(std::string(100000, '[')).errors.empty());
  EXPECT_FALSE(read("a: &a [*a]\n").errors.empty());
  EXPECT_FALSE(read(std::string("\xff\xfe\x00\x01", 4)).errors.empty());
}

}  // namespace
}  // namespace wasi_netd::host
