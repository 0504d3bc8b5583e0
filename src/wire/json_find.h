#pragma once
// Single values out of JSON that another program answers with, where all else of it does not matter.
//
// What is not there, or is of another kind, is "", nothing or false: the caller knows what that means.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canopy::wire {

// {"key": "…"}, and {"outer": {"key": "…"}}
std::string find_text(std::string_view json, std::string_view key);
std::string find_text(std::string_view json, std::string_view outer, std::string_view key);
// {"key": 7}, and {"outer": {"key": 7}}
std::optional<std::int64_t> find_number(std::string_view json, std::string_view key);
std::optional<std::int64_t> find_number(std::string_view json, std::string_view outer, std::string_view key);
// {"outer": {"key": true}}
bool find_flag(std::string_view json, std::string_view outer, std::string_view key);
// [{"key": "…"}, …]
std::vector<std::string> find_texts(std::string_view json, std::string_view key);

}  // namespace canopy::wire
