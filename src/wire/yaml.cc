#include "wire/yaml.h"

#include <algorithm>
#include <exception>
#include <istream>
#include <optional>
#include <streambuf>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/hex.h"
#include "base/log.h"
#include "base/utf8.h"
#include "wire/values.h"

namespace canopy::wire {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

struct Problem {
  YamlPlace place;
  std::string text;
  Code code = Code::invalid;
  bool firm = true;  // Not to be explained by a mistake that the parser finds later.
};

YamlPlace place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(std::max(mark.line, 0)) + 1,
          static_cast<std::size_t>(std::max(mark.column, 0)) + 1};
}

std::string too_deep(const YamlLimits& limits) {
  return "nested deeper than " + std::to_string(limits.depth_max) + " levels";
}

bool is_before(YamlPlace a, YamlPlace b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); }

YamlNode make_node(YamlNode::Kind kind, const YAML::Mark& mark) {
  YamlNode node;
  node.kind = kind;
  node.place = place_of(mark);
  return node;
}

// Builds the tree from the parser's events. The first problem stays; from then on nothing more is kept.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, YamlLimits limits) : text_(text), limits_(limits) {}

  const std::optional<Problem>& problem() const { return problem_; }
  bool has_firm_problem() const { return problem_ && problem_->firm; }
  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "a second document begins; one is enough");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_anchor(mark, anchor);
    add(mark, make_node(YamlNode::Kind::null, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    refuse(mark, "aliases (*name) are not allowed here: write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_anchor(mark, anchor);
    check_tag(mark, tag);
    if (tag == "!" && !is_closed(mark)) refuse(mark, "this text is never closed: a quote is missing");
    // Plain nothings come as text; only quotes make the word "null" a text.
    const bool null = tag == "?" && (value.empty() || value == "~" || value == "null");
    YamlNode node = make_node(null ? YamlNode::Kind::null : YamlNode::Kind::scalar, mark);
    node.text = value;
    add(mark, std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, YamlNode::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    refuse(mark, "the anchor &" + log_safe(name, 80) + " is not allowed here: write the value out");
  }

 private:
  struct Open {
    YamlNode node;
    std::optional<YamlEntry> entry;  // Of a map: a key that waits for its value.
  };

  void refuse(const YAML::Mark& mark, std::string text, Code code = Code::invalid) {
    if (!problem_) problem_ = Problem{place_of(mark), std::move(text), code};
  }
  // For what also happens where a bracket is never closed, of which the parser complains at the end.
  void refuse_unless_open(const YAML::Mark& mark, std::string text) {
    if (!problem_) problem_ = Problem{place_of(mark), std::move(text), Code::invalid, false};
  }

  void check_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) refuse(mark, "anchors (&name) are not allowed here: write the value out");
  }

  // Without a tag the parser says "?" of a plain value and "!" of one in quotes.
  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.size() > 1) refuse(mark, "the tag " + log_safe(tag, 80) + " is not allowed here: leave it out");
  }

  // The parser lets a text that is still open at the end of the file pass.
  bool is_closed(const YAML::Mark& mark) const {
    std::size_t at = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return true;
    const char quote = text_[at];
    for (++at; at < text_.size(); ++at) {
      const bool hides_next = quote == '"' ? text_[at] == '\\' : text_.substr(at).starts_with("''");
      if (hides_next) {
        ++at;
      } else if (text_[at] == quote) {
        return true;
      }
    }
    return false;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    check_anchor(mark, anchor);
    check_tag(mark, tag);
    count(mark);
    if (open_.size() >= limits_.depth_max) {
      refuse(mark, too_deep(limits_), Code::too_large);
    }
    if (problem_) return;
    YamlNode node = make_node(kind, mark);
    if (wants_key())
      refuse_unless_open(mark, "a key must be a plain word, not " + std::string(describe(node)));
    open_.push_back(Open{std::move(node), std::nullopt});
  }

  void close() {
    if (problem_ || open_.empty()) return;
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    keep(std::move(node));
  }

  void count(const YAML::Mark& mark) {
    if (++nodes_ <= limits_.nodes_max) return;
    refuse(mark, "more than " + std::to_string(limits_.nodes_max) + " values", Code::too_large);
  }

  bool wants_key() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::map && !open_.back().entry;
  }

  void add(const YAML::Mark& mark, YamlNode node) {
    count(mark);
    if (problem_) return;
    if (!wants_key()) {
      keep(std::move(node));
    } else if (node.kind != YamlNode::Kind::scalar) {
      refuse_unless_open(mark, "a key is missing before the ':'");
    } else if (open_.back().node.find(node.text) != nullptr) {
      refuse(mark, "the key " + in_quotes(node.text) + " stands here a second time");
    } else {
      open_.back().entry = YamlEntry{std::move(node.text), node.place, {}};
    }
  }

  // Puts a finished node where it belongs.
  void keep(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.kind == YamlNode::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.entry) {
      // The parser notices that nothing is there where the next thing begins.
      if (node.kind == YamlNode::Kind::null) node.place = parent.entry->place;
      parent.entry->value = std::move(node);
      parent.node.entries.push_back(*std::move(parent.entry));
      parent.entry.reset();
    }
  }

  const std::string_view text_;
  const YamlLimits limits_;
  std::optional<Problem> problem_;
  std::vector<Open> open_;
  YamlNode root_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

// Reads from text that stays where it is, in pieces, and ends early once what was read is refused anyway.
class TextBuffer final : public std::streambuf {
 public:
  TextBuffer(std::string& text, const TreeBuilder& builder) : text_(text), builder_(builder) {}

 protected:
  int_type underflow() override {
    const std::size_t size = std::min(piece_size, text_.size() - at_);
    if (size == 0 || builder_.has_firm_problem()) return traits_type::eof();
    char* const begin = text_.data() + at_;
    setg(begin, begin, begin + size);
    at_ += size;
    return traits_type::to_int_type(*begin);
  }

 private:
  static constexpr std::size_t piece_size = 2048;
  std::string& text_;
  const TreeBuilder& builder_;
  std::size_t at_ = 0;
};

YamlPlace place_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0.
  return {static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1, offset - line_begin + 1};
}

// The value of four hexadecimal digits at `at`; nothing where there are none.
std::optional<unsigned> four_digits(std::string_view text, std::size_t at) {
  if (at > text.size() || text.size() - at < 4) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(at, 4)) {
    const auto digit = hex_value(static_cast<char>(c | 0x20));
    if (!digit) return std::nullopt;
    value = value * 16 + *digit;
  }
  return value;
}

// JSON writes characters past U+FFFF as two escapes, \ud83d\ude00, which YAML does not know. Where `text` is
// JSON, each such pair becomes the character itself.
std::string join_surrogates(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
  if (!json || text.find("\\u") == std::string_view::npos) return std::string(text);
  std::string result;
  bool inside = false;  // A string between double quotes.
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') inside = !inside;
    if (!inside || text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    const auto high = text[i + 1] == 'u' ? four_digits(text, i + 2) : std::nullopt;
    const auto low = text.substr(std::min(i + 6, text.size())).starts_with("\\u") ? four_digits(text, i + 8)
                                                                                  : std::nullopt;
    if (high && low && *high >= 0xD800 && *high < 0xDC00 && *low >= 0xDC00 && *low < 0xE000) {
      append_utf8(static_cast<char32_t>(0x10000U + ((*high - 0xD800U) << 10U) + (*low - 0xDC00U)), result);
      i += 11;
    } else {
      result += text.substr(i, 2);
      ++i;
    }
  }
  return result;
}

Result<void> check_text(std::string_view text, std::string_view file, YamlLimits limits) {
  if (text.size() > limits.bytes_max) {
    return fail(Code::too_large, std::string(file) + ": " + std::to_string(text.size()) + " bytes; at most " +
                                     size_text(limits.bytes_max) + " are read");
  }
  const std::size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos) return yaml_error(file, place_at(text, bad), "this is not UTF-8");
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7F;
  };
  const auto control = std::ranges::find_if(text, is_control);
  if (control != text.end()) {
    return yaml_error(file, place_at(text, static_cast<std::size_t>(control - text.begin())),
                      "there is a control character here");
  }
  return {};
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &YamlEntry::key);
  return found == entries.end() ? nullptr : &found->value;
}

std::string_view describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a value";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
  }
  return "";
}

tl::unexpected<Error> yaml_error(std::string_view file, YamlPlace place, std::string_view problem,
                                 Code code) {
  return fail(code, std::string(file) + ":" + std::to_string(place.line) + ":" +
                        std::to_string(place.column) + ": " + std::string(problem));
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file, YamlLimits limits) {
  CANOPY_TRY_VOID(check_text(text, file, limits));
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::string copy = join_surrogates(text);
  TreeBuilder builder(copy, limits);
  TextBuffer buffer(copy, builder);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);
    while (!builder.problem() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::DeepRecursion& problem) {
    if (!builder.has_firm_problem()) {
      return yaml_error(file, place_of(problem.mark), too_deep(limits), Code::too_large);
    }
  } catch (const YAML::Exception& problem) {
    // What is wrong first is said; the rest may only follow from it.
    const YamlPlace place = place_of(problem.mark);
    const auto& earlier = builder.problem();
    if (!builder.has_firm_problem() && !(earlier && is_before(earlier->place, place))) {
      return yaml_error(file, place, "not YAML: " + log_safe(problem.msg, 200));
    }
  } catch (const std::exception& problem) {
    return yaml_error(file, {}, "not YAML: " + log_safe(problem.what(), 200));
  }
  if (const auto& problem = builder.problem()) {
    return yaml_error(file, problem->place, problem->text, problem->code);
  }
  return builder.take_root();
}

}  // namespace canopy::wire
