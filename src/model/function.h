#pragma once
// A function as it was deployed. Plain data: no I/O, no threads, nothing virtual.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"

namespace canopy {

// namespace/name, in which each part is 1 to 63 letters, digits, '-', '_' or '.', begins with a letter or
// a digit, and holds no "..".
struct FunctionName {
  std::string space;
  std::string name;
  auto operator<=>(const FunctionName&) const = default;
};

inline constexpr std::size_t name_part_size_max = 63;

std::string to_text(const FunctionName& name);  // "space/name"
bool is_name_part(std::string_view part);
Result<FunctionName> parse_function_name(std::string_view text);  // "name" alone means "default/name".
Result<FunctionName> make_function_name(std::string_view space, std::string_view name);

// What one call may use. Each is a hard limit with an error of its own.
struct Limits {
  std::uint64_t memory_bytes = 64 * MiB;  // Linear memory. At most 4 GiB.
  Duration timeout = std::chrono::seconds(10);
  std::uint32_t concurrency = 1000;  // Calls of the function at once on this machine.
  std::uint64_t output_bytes = 6 * MiB;
  std::uint64_t log_bytes = 256 * KiB;  // Kept per call; what is beyond is counted.
  std::uint64_t tmp_bytes = 16 * MiB;   // Its private /tmp.
  std::uint32_t open_files = 64;
  std::uint64_t table_elements = 100'000;
  auto operator<=>(const Limits&) const = default;
};

// A file of the function's own, seen read-only by its calls at /<path>.
struct FunctionFile {
  std::string path;    // Relative, normal form: no "..", no leading '/'.
  std::string digest;  // SHA-256 of the content, in hex.
  std::uint64_t size_bytes = 0;
  auto operator<=>(const FunctionFile&) const = default;
};

// An immutable version of a function.
struct Function {
  FunctionName name;
  std::uint32_t version = 0;  // Counts from 1 within its name; never used twice.
  std::string digest;         // SHA-256 of the code, in hex.
  std::uint64_t code_bytes = 0;
  std::string runtime = "wasm";
  Limits limits;
  std::map<std::string, std::string> env;
  std::vector<FunctionFile> files;
  WallTime created{};
};

}  // namespace canopy
