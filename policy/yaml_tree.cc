#include "policy/yaml_tree.h"

#include <algorithm>
#include <istream>
#include <streambuf>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "policy/printable.h"

namespace wasi_netd::policy {
namespace {

constexpr size_t kMaxDepth = 12;  // the deepest legal file has 6
constexpr size_t kMaxAhead = size_t{1} << 20;
constexpr size_t kMaxProblems = 100;

// What stops the parse at once; everything else is collected.
struct Unacceptable {
  int line;
  int column;
  std::string message;
};

Node make_node(Node::Kind kind, const YAML::Mark& mark) {
  Node node;
  node.kind = kind;
  node.line = mark.line + 1;
  node.column = mark.column + 1;
  return node;
}

// The text as yaml-cpp reads it, which ends early when too much was read for nothing. Where a bracket might begin a key
// - inside another one, or at the start of the file as in JSON - yaml-cpp says nothing before it closes, and holds some
// 200 bytes for each that it read.
class Source : public std::streambuf {
 public:
  explicit Source(std::string_view text) : text_(text) {}
  std::string_view text() const { return text_; }
  // The parser has told something of what it read.
  void heard() { heard_ = read_; }
  bool cut() const { return cut_; }

 private:
  int_type underflow() override {
    constexpr size_t kStep = 4096;
    cut_ = cut_ || (read_ < text_.size() && read_ - heard_ >= kMaxAhead);
    if (cut_ || read_ == text_.size()) return traits_type::eof();
    const size_t size = std::min(kStep, text_.size() - read_);
    char* const next = const_cast<char*>(text_.data()) + read_;  // a streambuf asks for it, and nobody writes
    setg(next, next, next + size);
    read_ += size;
    return traits_type::to_int_type(*next);
  }

  const std::string_view text_;
  size_t read_ = 0;
  size_t heard_ = 0;
  bool cut_ = false;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Source& source) : source_(source) {}
  Node take() { return std::move(root_); }
  // The reason when the source was cut: it stands at what was told last.
  Unacceptable cut_short() const {
    return {std::max(last_.line, 0) + 1, std::max(last_.column, 0) + 1,
            "what follows, in brackets, quotes or a comment, is not over after 1 MiB; long lists go in block form"};
  }
  const YAML::Mark& last_quoted() const { return last_quoted_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    place(make_node(Node::Kind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Unacceptable{mark.line + 1, mark.column + 1,
                       "aliases are not allowed; text that begins with '*' needs quotes"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    // No rule, name or path has use for one, and every message that shows the text would carry it on. Of some escapes
    // yaml-cpp makes bytes that are not even UTF-8.
    if (!is_printable(value)) {
      throw Unacceptable{mark.line + 1, mark.column + 1,
                         "a text with a control character, such as an escape or line break, or that is not UTF-8"};
    }
    Node node = make_node(Node::Kind::kScalar, mark);
    node.plain = tag == "?";
    if (!node.plain) last_quoted_ = mark;
    node.text = value;
    place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    begin(make_node(Node::Kind::kList, mark));
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    begin(make_node(Node::Kind::kMap, mark));
  }
  void OnMapEnd() override { end(); }

 private:
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (source_.cut()) throw cut_short();
    source_.heard();
    last_ = mark;
    if (anchor != 0) throw Unacceptable{mark.line + 1, mark.column + 1, "anchors are not allowed"};
    // yaml-cpp says "?" or "" of what has no tag and "!" of quoted text, but "!" is also a tag, the non-specific one.
    const std::string_view text = source_.text();
    const bool written = static_cast<size_t>(mark.pos) < text.size() && text[static_cast<size_t>(mark.pos)] == '!';
    if (written || (!tag.empty() && tag != "?" && tag != "!")) {
      throw Unacceptable{mark.line + 1, mark.column + 1, "tags are not allowed"};
    }
  }

  void begin(Node node) {
    if (open_.size() == kMaxDepth) throw Unacceptable{node.line, node.column, "nested too deeply for a policy"};
    open_.push_back(std::move(node));
  }

  void end() {
    Node node = std::move(open_.back());
    open_.pop_back();
    place(std::move(node));
  }

  void place(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Node& parent = open_.back();
    const bool is_key = parent.kind == Node::Kind::kMap && parent.keys.size() == parent.items.size();
    if (is_key && node.kind != Node::Kind::kScalar) {
      throw Unacceptable{node.line, node.column, "a key must be plain text"};
    }
    (is_key ? parent.keys : parent.items).push_back(std::move(node));
  }

  Source& source_;
  Node root_;
  std::vector<Node> open_;
  YAML::Mark last_ = YAML::Mark::null_mark();
  YAML::Mark last_quoted_ = YAML::Mark::null_mark();
};

struct TextFault {
  size_t offset;
  std::string_view message;
};

// The first byte that may not stand in a policy.
std::optional<TextFault> find_fault(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text.substr(i));
    if (length == 0) return TextFault{i, "not UTF-8"};
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\0') return TextFault{i, "a NUL byte"};
    if (c == '\r') return TextFault{i, "a carriage return without a line feed"};
    if (c != '\n' && c != '\t' && !is_printable(text.substr(i, length))) return TextFault{i, "a control character"};
    i += length;
  }
  return std::nullopt;
}

// yaml-cpp takes the end of the file for a missing quote. Such a text swallows all that follows, so it is the last one.
bool is_unclosed(std::string_view text, const YAML::Mark& mark) {
  if (mark.is_null()) return false;
  const std::string_view scalar = text.substr(std::min(static_cast<size_t>(mark.pos), text.size()));
  if (!scalar.starts_with('"') && !scalar.starts_with('\'')) return false;
  const char quote = scalar.front();
  for (size_t i = 1; i < scalar.size(); ++i) {
    if (quote == '"' && scalar[i] == '\\') {
      ++i;
    } else if (scalar[i] == quote) {
      const bool doubled = quote == '\'' && i + 1 < scalar.size() && scalar[i + 1] == quote;
      if (!doubled) return false;
      ++i;
    }
  }
  return true;
}

std::string describe(const YAML::Exception& failure) {
  if (failure.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR || failure.msg == YAML::ErrorMsg::CHAR_IN_ALIAS ||
      failure.msg == YAML::ErrorMsg::ALIAS_NOT_FOUND) {
    return "aliases are not allowed; text that begins with '*' needs quotes";
  }
  if (failure.msg == YAML::ErrorMsg::UNKNOWN_TOKEN)
    return "not YAML: text that begins with this character needs quotes";
  return "not YAML: " + failure.msg;
}

}  // namespace

const Node* Node::find_key(std::string_view key) const {
  const auto found = std::ranges::find_if(keys, [key](const Node& each) { return each.text == key && !each.rejected; });
  return found == keys.end() ? nullptr : &*found;
}

const Node* Node::find(std::string_view key) const {
  const Node* found = find_key(key);
  if (found == nullptr) return nullptr;
  const Node& value = items[static_cast<size_t>(found - keys.data())];
  return value.rejected ? nullptr : &value;
}

void Problems::add(std::vector<LoadError>& list, int line, int column, std::string message) {
  list.push_back({file_, line, column, std::move(message)});
}

std::vector<LoadError> Problems::sorted(std::vector<LoadError> list) {
  std::ranges::stable_sort(list, {}, [](const LoadError& each) { return std::pair(each.line, each.column); });
  if (list.size() > kMaxProblems) {
    const size_t rest = list.size() - kMaxProblems;
    list.resize(kMaxProblems);
    list.push_back({list.back().file, 0, 0, "and " + std::to_string(rest) + " more"});
  }
  return list;
}

std::optional<Node> parse_yaml(std::string_view text, Problems& problems) {
  if (text.size() > kMaxPolicyBytes) {
    problems.error_at(0, 0, "larger than " + std::to_string(kMaxPolicyBytes >> 20) + " MiB");
    return std::nullopt;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::string normal;
  normal.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') normal += text[i];
  }
  if (const std::optional<TextFault> fault = find_fault(normal)) {
    const std::string_view before = std::string_view(normal).substr(0, fault->offset);
    const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    problems.error_at(static_cast<int>(std::ranges::count(before, '\n')) + 1,
                      static_cast<int>(fault->offset - line_start) + 1, std::string(fault->message));
    return std::nullopt;
  }
  Source source(normal);
  TreeBuilder builder(source);
  try {
    std::istream stream(&source);
    YAML::Parser parser(stream);
    const bool any = parser.HandleNextDocument(builder);
    if (source.cut()) throw builder.cut_short();
    if (!any) {
      problems.error_at(0, 0, "the file is empty");
      return std::nullopt;
    }
    if (is_unclosed(normal, builder.last_quoted())) {
      const YAML::Mark& quote = builder.last_quoted();
      problems.error_at(quote.line + 1, quote.column + 1, "not YAML: the quote is never closed");
      return std::nullopt;
    }
    Node root = builder.take();
    TreeBuilder second(source);
    const bool more = parser.HandleNextDocument(second);
    if (source.cut()) throw builder.cut_short();
    if (more) {
      const Node extra = second.take();
      problems.error(extra, "a second document; a policy file holds one");
      return std::nullopt;
    }
    return root;
  } catch (const Unacceptable& reason) {
    problems.error_at(reason.line, reason.column, reason.message);
  } catch (const YAML::Exception& failure) {
    if (source.cut()) {
      const Unacceptable reason = builder.cut_short();
      problems.error_at(reason.line, reason.column, reason.message);
      return std::nullopt;
    }
    problems.error_at(std::max(failure.mark.line + 1, 0), std::max(failure.mark.column + 1, 0), describe(failure));
  }
  return std::nullopt;
}

}  // namespace wasi_netd::policy
