#pragma once
// The variables of the environment that verbs read, as an argument, so that tests bring their own.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace canopy::cli {

class Environment {
 public:
  Environment() = default;
  // "NAME=value" each; what they point to outlives the object.
  explicit Environment(std::vector<std::string_view> entries) : entries_(std::move(entries)) {}

  // "" where it is not set.
  std::string get(std::string_view name) const;
  const std::vector<std::string_view>& entries() const { return entries_; }

 private:
  std::vector<std::string_view> entries_;
};

// Where Canopy keeps what it made and can make again: CANOPY_CACHE, else canopy below XDG_CACHE_HOME, else
// below ~/.cache. "" where none of them is set.
std::filesystem::path cache_folder(const Environment& environment);

// The libraries that functions in C and C++ are compiled against: CANOPY_SYSROOT, else where tools/deps puts
// them in the cache.
std::filesystem::path sysroot_folder(const Environment& environment);

}  // namespace canopy::cli
