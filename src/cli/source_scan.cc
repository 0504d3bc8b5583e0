#include "cli/source_scan.h"

#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/nearest.h"

namespace canopy::cli {
namespace {

constexpr std::string_view mark = "// canopy:";
constexpr std::array<std::string_view, 4> words = {"reactor", "command", "no-exceptions", "flags"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

// The text without comments and without what stands in quotes, so that what is left is code.
class PlainCode {
 public:
  explicit PlainCode(std::string_view text) : text_(text) {}

  std::string take() {
    while (at_ < text_.size()) {
      if (starts("//")) {
        skip_past("\n");
        code_ += '\n';
      } else if (starts("/*")) {
        at_ += 2;
        skip_past("*/");
        code_ += ' ';
      } else if (starts("R\"")) {
        skip_raw();
      } else if (text_[at_] == '"' || text_[at_] == '\'') {
        skip_quoted();
      } else {
        code_ += text_[at_++];
      }
    }
    return std::move(code_);
  }

 private:
  bool starts(std::string_view with) const { return text_.substr(at_).starts_with(with); }

  void skip_past(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }

  void skip_quoted() {
    const char quote = text_[at_++];
    // A digit separator (1'000) is no quote.
    if (quote == '\'' && !code_.empty() && std::isalnum(static_cast<unsigned char>(code_.back())) != 0)
      return;
    while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    code_ += ' ';
  }

  void skip_raw() {
    const std::size_t open = text_.find('(', at_);
    if (open == std::string_view::npos) {
      at_ = text_.size();
      return;
    }
    const std::string end = ")" + std::string(text_.substr(at_ + 2, open - at_ - 2)) + "\"";
    at_ = open;
    skip_past(end);
    code_ += ' ';
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string code_;
};

bool is_word_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Whether the code calls a macro of that name; to define one is not to call it.
bool uses_macro(std::string_view code, std::string_view macro) {
  for (std::size_t at = code.find(macro); at != std::string_view::npos; at = code.find(macro, at + 1)) {
    if (at > 0 && is_word_part(code[at - 1])) continue;
    if (!trimmed(code.substr(at + macro.size())).starts_with('(')) continue;
    const std::size_t line = code.rfind('\n', at);
    const std::string_view before = trimmed(code.substr(line + 1, at - line - 1));
    if (!before.starts_with('#')) return true;
  }
  return false;
}

// "// canopy: WORD ..." where `line` is one.
Result<void> read_line(std::string_view line, const std::string& place, SourceHints& hints,
                       std::optional<bool>& shape) {
  const auto parts = split(line.substr(mark.size()));
  const std::string_view word = parts.empty() ? std::string_view() : std::string_view(parts.front());
  if (word == "reactor" || word == "command") {
    shape = word == "reactor";
  } else if (word == "no-exceptions") {
    hints.exceptions = false;
  } else if (word == "flags") {
    hints.flags.insert(hints.flags.end(), parts.begin() + 1, parts.end());
  } else {
    return fail(Code::invalid, place + ": '// canopy: " + log_safe(word, 40) +
                                   "' is none of reactor, command, no-exceptions, flags" +
                                   did_you_mean(word, words));
  }
  return {};
}

}  // namespace

void SourceHints::add(SourceHints other) {
  reactor = reactor || other.reactor;
  exceptions = exceptions && other.exceptions;
  for (std::string& flag : other.flags) flags.push_back(std::move(flag));
}

Result<SourceHints> scan_c(std::string_view text, std::string_view file) {
  SourceHints hints;
  std::optional<bool> shape;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trimmed(text.substr(at, end - at));
    ++number;
    at = end + 1;
    if (!line.starts_with(mark)) continue;
    CANOPY_TRY_VOID(read_line(line, std::string(file) + ":" + std::to_string(number), hints, shape));
  }
  hints.reactor = shape ? *shape : uses_macro(PlainCode(text).take(), "CANOPY_HANDLER");
  return hints;
}

bool is_go_reactor(std::string_view text) {
  // The SDK has the directive, and its functions import it.
  if (text.find("\t\"canopy/function\"\n") != std::string_view::npos) return true;
  constexpr std::string_view directive = "//go:wasmexport canopy_handle";
  for (std::size_t at = text.find(directive); at != std::string_view::npos;
       at = text.find(directive, at + 1)) {
    const bool begins = at == 0 || text[at - 1] == '\n';
    const std::size_t after = at + directive.size();
    if (begins && (after == text.size() || !is_word_part(text[after]))) return true;
  }
  return false;
}

}  // namespace canopy::cli
