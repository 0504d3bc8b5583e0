#include "wire/requirements.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/log.h"

namespace canopy::wire {
namespace {

constexpr std::string_view spaces = " \t\r";
constexpr std::string_view hash_option = "--hash=";
constexpr std::array<std::string_view, 3> harmless = {"--pre", "--prefer-binary", "--require-hashes"};
constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::string_view other_characters = "._-+*[],<>=!~;'\"() ";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(spaces);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(spaces) - begin + 1);
}

// A '#' begins one at the front of a line and behind a space.
std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != line.npos; at = line.find('#', at + 1)) {
    if (at == 0 || spaces.find(line[at - 1]) != spaces.npos) return line.substr(0, at);
  }
  return line;
}

bool is_letter_or_digit(char c) { return letters_and_digits.find(c) != std::string_view::npos; }
bool is_plain(char c) { return is_letter_or_digit(c) || other_characters.find(c) != std::string_view::npos; }

bool is_hash(std::string_view word) {
  if (!word.starts_with(hash_option)) return false;
  word.remove_prefix(hash_option.size());
  const std::size_t colon = word.find(':');
  if (colon == word.npos || colon == 0 || colon + 1 == word.size()) return false;
  return std::ranges::all_of(word.substr(0, colon), is_letter_or_digit) &&
         std::ranges::all_of(word.substr(colon + 1), is_letter_or_digit);
}

// What is wrong with it; "" for nothing.
std::string_view fault_of(std::string_view line) {
  if (std::ranges::find(harmless, line) != harmless.end()) return {};
  if (line.front() == '-') {
    return "options are the server's to choose (PIP_INDEX_URL says where packages come from), and other "
           "files "
           "are not read";
  }
  // Hashes stand at the end.
  const std::size_t first_hash = std::min(line.find(" --"), line.size());
  for (std::string_view rest = trimmed(line.substr(first_hash)); !rest.empty();) {
    const std::size_t end = std::min(rest.find_first_of(spaces), rest.size());
    if (!is_hash(rest.substr(0, end))) return "of options a package may have --hash=ALGORITHM:DIGITS alone";
    rest = trimmed(rest.substr(end));
  }
  const std::string_view package = line.substr(0, first_hash);
  if (package.find("://") != package.npos || package.find('@') != package.npos) {
    return "packages come from where the server gets them (PIP_INDEX_URL), not from addresses";
  }
  if (package.find('/') != package.npos) return "packages are named, and not taken from a path";
  if (!is_letter_or_digit(package.front())) return "a package's name begins with a letter or digit";
  if (!std::ranges::all_of(package, is_plain))
    return "it has a character that no name, version or marker has";
  return {};
}

}  // namespace

Result<std::string> plain_requirements(std::string_view text) {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (text.starts_with(mark)) text.remove_prefix(mark.size());
  std::string plain;
  std::string whole;  // Of a line that goes on behind a '\', what came before.
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = trimmed(without_comment(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const bool goes_on = line.ends_with('\\') && !text.empty();
    if (goes_on) line.remove_suffix(1);
    whole += whole.empty() ? "" : " ";
    whole += trimmed(line);
    std::ranges::replace(whole, '\t', ' ');
    if (goes_on) continue;
    const std::string_view said = trimmed(whole);
    if (const std::string_view fault = said.empty() ? "" : fault_of(said); !fault.empty()) {
      return fail(Code::refused, "line " + std::to_string(number) + " of requirements.txt, '" +
                                     log_safe(said, 200) + "': " + std::string(fault) +
                                     "; write a line such as: requests==2.31.0");
    }
    if (!said.empty()) plain.append(said).append("\n");
    whole.clear();
  }
  return plain;
}

}  // namespace canopy::wire
