// Counts the lines, words and bytes of a text, and its most frequent words.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t shown = 5;

struct Count {
  std::size_t lines = 0;
  std::size_t words = 0;
  std::map<std::string, std::size_t> by_word;
};

Count count(const std::string& text) {
  Count counted;
  std::string word;
  const auto end_word = [&] {
    if (word.empty()) return;
    ++counted.words;
    ++counted.by_word[std::exchange(word, "")];
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') ++counted.lines;
    if (std::isalnum(byte) || byte >= 0x80 || c == '\'') {
      word += static_cast<char>(std::tolower(byte));
    } else {
      end_word();
    }
  }
  end_word();
  return counted;
}

}  // namespace

int main() {
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  const Count counted = count(text);
  std::printf("%zu lines, %zu words, %zu bytes\n", counted.lines, counted.words, text.size());
  std::vector<std::pair<std::string, std::size_t>> words(counted.by_word.begin(), counted.by_word.end());
  std::stable_sort(words.begin(), words.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  words.resize(std::min(words.size(), shown));
  for (const auto& [word, times] : words) std::printf("%6zu  %s\n", times, word.c_str());
}
