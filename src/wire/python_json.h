#pragma once
// JSON as Python's library reads it: for protocols whose servers were written in Python, and say what is
// wrong with a body, and where, in that library's words.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace canopy::wire {

struct PythonJsonError {
  // Of its JSONDecodeError: "Expecting value". "" where it fails in another way: at what is no UTF-8, or is
  // nested too deep.
  std::string_view message;
  std::size_t position = 0;  // In characters.
};

// A value as Python writes it again: without spaces, and with characters beyond ASCII as they are. Numbers
// are as they came; those that only Python knows, NaN and the infinite ones, are null.
struct PythonJson {
  std::string text;
  bool is_string() const { return text.starts_with('"'); }
};

// What a body holds.
struct PythonBody {
  bool is_object = false;
  PythonJson other;                                         // What is no object.
  std::vector<std::pair<std::string, PythonJson>> members;  // Of one; the keys as they are, decoded.

  // The last of that name; null for none.
  const PythonJson* find(std::string_view key) const;
  std::string text() const;
};

inline constexpr std::size_t python_json_depth_max = 200;

tl::expected<PythonBody, PythonJsonError> read_python_json(std::string_view text);

// The text that a string is; nothing where it has half a pair of surrogates, or is no string.
std::optional<std::string> python_string(const PythonJson& value);

}  // namespace canopy::wire
