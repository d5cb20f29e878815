#pragma once
// One guest that the host program is to run, as the command line or a manifest says it. Plain values.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wasi_netd::host {

enum class EngineKind : uint8_t { kWasmtime, kWabt };
inline std::string_view to_string(EngineKind kind) { return kind == EngineKind::kWasmtime ? "wasmtime" : "wabt"; }

// Where one of a guest's three standard fds leads.
struct Stdio {
  enum class Kind : uint8_t { kInherit, kNull, kFile };
  Kind kind = Kind::kInherit;
  std::string path;  // kFile: read for stdin; for the others emptied before any guest runs, then appended to
};

struct GuestSpec {
  std::string name;               // for the policy's `guests:` and the audit log, as parse_name has it; may be empty
  std::string label;              // how reports call it; differs from every other guest's of the manifest
  std::string socket;             // the tenant's
  std::string wasm;               // path
  std::vector<std::string> args;  // without argv[0], which is the file's name
  std::vector<std::string> env;   // NAME=value
  uint64_t rights = 0;            // ceiling; 0: what the policy gives
  EngineKind engine = EngineKind::kWasmtime;
  uint64_t max_memory = uint64_t{256} << 20;
  Stdio stdio[3];
};

// Texts that both the command line and a manifest hold; nullopt: not one of them.
std::optional<uint64_t> parse_right(std::string_view word);  // "read" -> its bit
std::optional<EngineKind> parse_engine(std::string_view word);
std::optional<uint64_t> parse_size(std::string_view text);  // "67108864", "64MiB"; KiB, MiB, GiB; at least one page
std::optional<std::string> parse_name(const std::string& text);
bool is_assignment(std::string_view text);  // NAME=value with a name

inline constexpr std::string_view kNameHint = "a name of at most 64 letters, digits, '-', '_' and '.'";
inline constexpr std::string_view kSizeHint = "a size such as 64MiB, from 64KiB to 4GiB";
std::string right_words();  // all of them, for messages

}  // namespace wasi_netd::host
