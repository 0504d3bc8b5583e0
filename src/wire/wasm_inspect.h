#pragma once
// What a WebAssembly binary says of itself, read without an engine: what it imports and exports, how much
// memory it starts with, what shape of function it is. So a deployment can be refused in plain words before
// anything is compiled. Code and data are not looked at: validating them is the engine's.
//
// All input is hostile: every count and size is checked against the bytes that are there, and nothing is
// allocated because a number announces it.
//
// Life: the views of a WasmModule and of FunctionNames point into the bytes they were read from.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace canopy::wire {

enum class ExternKind : std::uint8_t { function, table, memory, global, tag };

std::string_view name(ExternKind kind);

struct WasmImport {
  std::string_view module;
  std::string_view name;
  ExternKind kind = ExternKind::function;
};

struct WasmExport {
  std::string_view name;
  ExternKind kind = ExternKind::function;
  std::uint32_t index = 0;
};

struct WasmMemory {
  std::uint64_t pages = 0;
  std::optional<std::uint64_t> pages_max = std::nullopt;
  std::uint64_t page_bytes = 65'536;
  bool shared = false;
  bool is_64 = false;
  bool imported = false;

  std::uint64_t size_bytes() const;  // What it starts with; the largest number where it would overflow.
};

struct WasmTable {
  std::uint64_t elements = 0;
  std::optional<std::uint64_t> elements_max = std::nullopt;
  bool imported = false;
};

// How a module wants to be run.
enum class WasmShape {
  command,  // `_start` runs once per call, like a program.
  reactor,  // Initialised once, then its handler runs per call.
  none,     // Neither: nothing to call.
};

struct WasmModule {
  std::vector<WasmImport> imports;
  std::vector<WasmExport> exports;
  std::vector<WasmMemory> memories;  // The imported ones first, as the module counts them.
  std::vector<WasmTable>
      tables;  // The same; those that begin with an expression, and what follows, left out.
  std::vector<std::string_view> custom_sections;
  std::uint32_t function_count = 0;  // Imported and own.
  std::optional<std::uint32_t> start_function;
  std::string_view language;      // "C11", "Rust", as its producers say; "" where they do not.
  std::string_view name_section;  // For read_function_names(); "" where there is none.

  WasmShape shape() const;
  // The exported function of that name.
  const WasmExport* find_function(std::string_view name) const;
  // The first that is exported of `canopy_handle` and `handle`; "" for none.
  std::string_view handler() const;
  // Of `canopy_init`, `wizer.initialize` and `wizer-initialize`.
  std::string_view init() const;
  bool has_initialize() const;  // `_initialize`, which a reactor's libraries need before all else.
  bool has_custom_section(std::string_view section) const;
};

// Reads `bytes`.
//   refused  empty, truncated, not WebAssembly (says what it seems to be), a component, another version, or
//            malformed at a byte that is named
Result<WasmModule> inspect_wasm(std::string_view bytes);
template <std::same_as<std::string> Temporary>
Result<WasmModule> inspect_wasm(Temporary&& bytes) = delete;  // The module would point to what is gone.

// What an empty or foreign file seems to be: "an ELF program", "text". For files that inspect_wasm refuses.
std::string_view describe_foreign(std::string_view bytes);

// The names of functions by their index, for the words of a trap.
class FunctionNames {
 public:
  FunctionNames() = default;
  explicit FunctionNames(std::vector<std::pair<std::uint32_t, std::string_view>> names);

  std::optional<std::string_view> find(std::uint32_t function_index) const;
  std::size_t size() const { return names_.size(); }

 private:
  std::vector<std::pair<std::uint32_t, std::string_view>> names_;  // By index.
};

// Reads a module's name section. As that section is only a comment, what is malformed in it ends the reading
// without an error.
FunctionNames read_function_names(const WasmModule& module);

}  // namespace canopy::wire
