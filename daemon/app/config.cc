#include "daemon/app/config.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "policy/key_check.h"
#include "policy/key_table.h"
#include "policy/values.h"
#include "policy/yaml_tree.h"

namespace wasi_netd {
namespace {

using policy::Key;
using policy::Node;
using policy::Type;
using std::chrono::milliseconds;

// The same machinery that checks policy files; a key is added here, in Config and in docs/operations.md.
constexpr milliseconds kLongest = std::chrono::hours(1);
constexpr Type kDirectory{.expected = "an absolute path"};
constexpr Type kAuditFile{.expected = "an absolute path, or '-' for stdout"};
constexpr Type kDuration{.expected = "a duration up to 60m, such as 500ms, 10s or 1m"};
constexpr Type kLoops{
    .kind = Type::Kind::kInteger, .expected = "0 (one loop per processor) to 64", .min = 0, .max = 64};
constexpr Type kQueue{.kind = Type::Kind::kInteger, .expected = "1 to 1000000", .min = 1, .max = 1'000'000};
constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error"};
constexpr Type kLevel{.kind = Type::Kind::kWord, .words = kLevels};

constexpr Key kAuditKeys[] = {{"file", &kAuditFile}, {"queue", &kQueue}};
constexpr Type kAudit{
    .kind = Type::Kind::kObject, .expected = "a mapping with `file` and `queue`", .min = 1, .keys = kAuditKeys};
constexpr Key kLogKeys[] = {{"level", &kLevel}};
constexpr Type kLog{.kind = Type::Kind::kObject, .expected = "a mapping with `level`", .min = 1, .keys = kLogKeys};
constexpr std::string_view kKeyLogs[] = {"never", "environment"};
constexpr Type kKeyLog{.kind = Type::Kind::kWord, .words = kKeyLogs};
constexpr Key kDebugKeys[] = {{"tls_key_log", &kKeyLog}};
constexpr Type kDebug{
    .kind = Type::Kind::kObject, .expected = "a mapping with `tls_key_log`", .min = 1, .keys = kDebugKeys};
constexpr Key kFileKeys[] = {
    {"policy_dir", &kDirectory}, {"runtime_dir", &kDirectory}, {"loops", &kLoops}, {"linger", &kDuration},
    {"drain", &kDuration},       {"audit", &kAudit},           {"log", &kLog},     {"debug", &kDebug}};
constexpr Type kFile{
    .kind = Type::Kind::kObject, .expected = "a mapping with keys such as `policy_dir`", .min = 1, .keys = kFileKeys};

constexpr size_t kMaxBytes = size_t{1} << 20;

Result<std::string> read_file(const std::string& path) {
  // O_NONBLOCK: a FIFO in its place must not hold up the start; it reads as empty.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Error{Errno::noent, system_error(errno, path).detail};
  std::string text;
  char buffer[16384];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0 && text.size() <= kMaxBytes) {
    text.append(buffer, static_cast<size_t>(n));
  }
  const int error = errno;
  close(fd);
  if (n < 0) return Error{Errno::noent, system_error(error, path).detail};
  if (text.size() > kMaxBytes) return Error{Errno::noent, path + ": larger than 1 MiB"};
  return text;
}

// A file of comments only is a file that changes nothing; as YAML it would not be a document.
bool says_nothing(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    const size_t first = line.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && line[first] != '#') return false;
    text.remove_prefix(end);
  }
  return true;
}

// What check_keys() has found well-formed, read into `config`.
class Reader {
 public:
  Reader(const Node& root, policy::Problems& problems) : root_(root), problems_(problems) {}

  void read(Config& config) {
    directory("policy_dir", config.policy_dir);
    directory("runtime_dir", config.runtime_dir);
    number(root_, "loops", config.loops);
    duration("linger", config.linger);
    duration("drain", config.drain);
    if (const Node* audit = root_.find("audit")) {
      if (const Node* file = audit->find("file")) audit_file(*file, config.audit_file);
      number(*audit, "queue", config.audit_queue);
    }
    if (const Node* log = root_.find("log")) {
      if (const Node* level = log->find("level")) config.log_level = level->text;
    }
    if (const Node* debug = root_.find("debug")) {
      if (const Node* keys = debug->find("tls_key_log")) config.tls_key_log = keys->text == "environment";
    }
  }

 private:
  // The directory the daemon is started in is an accident: relative paths would mean something else each time.
  void directory(std::string_view key, std::string& value) {
    const Node* node = root_.find(key);
    if (!node) return;
    value = node->text;
    if (!value.starts_with('/')) unexpected(*node, kDirectory);
  }
  void audit_file(const Node& node, std::string& value) {
    value = node.text;
    if (value != "-" && !value.starts_with('/')) unexpected(node, kAuditFile);
  }
  void duration(std::string_view key, milliseconds& value) {
    const Node* node = root_.find(key);
    if (!node) return;
    value = policy::parse_duration(node->text).value_or(milliseconds::max());
    if (value > kLongest) unexpected(*node, kDuration);
  }
  static void number(const Node& parent, std::string_view key, uint32_t& value) {
    if (const Node* node = parent.find(key)) {
      value = static_cast<uint32_t>(policy::parse_count(node->text).value_or(value));
    }
  }
  void unexpected(const Node& node, const Type& type) {
    problems_.error(node, "expected " + std::string(type.expected) + ", found '" + node.text + "'");
  }

  const Node& root_;
  policy::Problems& problems_;
};

}  // namespace

Result<Config> load_config(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  policy::Problems problems(file);
  Config config;
  if (says_nothing(*text)) return config;
  if (std::optional<Node> root = policy::parse_yaml(*text, problems)) {
    policy::check_keys(kFile, *root, problems);
    Reader(*root, problems).read(config);
  }
  if (problems.ok()) return config;
  std::string detail;
  for (const auto& error : problems.take_errors()) detail += (detail.empty() ? "" : "\n") + policy::to_string(error);
  return Error{Errno::inval, std::move(detail)};
}

}  // namespace wasi_netd
