#include "wire/wasm_check.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace canopy::wire {
namespace {

constexpr std::size_t name_shown_max = 120;
constexpr std::size_t exports_shown_max = 20;
constexpr std::size_t missing_counted_max = 10'000;

tl::unexpected<Error> refuse(std::string message) { return fail(Code::refused, std::move(message)); }

// What an import that we lack says about how the module was built.
struct Hint {
  std::string_view module;
  bool whole;  // `module` is the whole name; else how it begins.
  std::string_view name_prefix;
  std::string_view advice;
};
constexpr std::array<Hint, 11> hints = {{
    {"wasi:", false, "", "it is the inside of a component (WASI 0.2): build for wasm32-wasip1 instead"},
    {"wasi_unstable", true, "", "it was built for the WASI before preview 1: build it with a newer SDK"},
    {"__wbindgen", false, "", "wasm-bindgen builds for browsers: build for wasm32-wasip1 instead"},
    {"wbg", true, "", "wasm-bindgen builds for browsers: build for wasm32-wasip1 instead"},
    {"gojs", true, "", "Go built it for browsers: build with GOOS=wasip1 GOARCH=wasm"},
    {"go", true, "", "Go built it for browsers: build with GOOS=wasip1 GOARCH=wasm"},
    {"a", true, "", "Emscripten built it for its own JavaScript: build with -sSTANDALONE_WASM"},
    {"env", true, "emscripten_", "Emscripten built it for its own JavaScript: build with -sSTANDALONE_WASM"},
    {"env", true, "invoke_", "Emscripten built it for its own JavaScript: build with -sSTANDALONE_WASM"},
    {"env", true, "abort", "if AssemblyScript built it: use @assemblyscript/wasi-shim"},
    {"wasi", true, "thread-spawn", "it was built for threads: build it without -pthread"},
}};

std::string_view advice_for(const WasmImport& import) {
  for (const Hint& hint : hints) {
    const bool fits = hint.whole ? import.module == hint.module : import.module.starts_with(hint.module);
    if (fits && import.name.starts_with(hint.name_prefix)) return hint.advice;
  }
  return {};
}

std::string show(const WasmImport& import) {
  std::string text = import.kind == ExternKind::function ? "" : std::string(name(import.kind)) + " ";
  return text + log_safe(import.module, name_shown_max) + "." + log_safe(import.name, name_shown_max);
}

struct Key {
  std::string_view module;
  std::string_view name;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    const std::hash<std::string_view> hash;
    return hash(key.module) * 31 + hash(key.name);
  }
};

Result<void> check_imports(const WasmModule& module, std::span<const OfferedImport> offered) {
  std::unordered_set<Key, KeyHash> known;
  for (const OfferedImport& import : offered) known.insert({import.module, import.name});
  std::unordered_set<Key, KeyHash> missing;
  std::string list;
  std::string_view advice;
  for (const WasmImport& import : module.imports) {
    const Key key{import.module, import.name};
    if (import.kind == ExternKind::function && known.contains(key)) continue;
    if (!missing.insert(key).second) continue;
    if (missing.size() > missing_counted_max) break;
    if (missing.size() <= missing_imports_named_max) list += (list.empty() ? "" : ", ") + show(import);
    if (advice.empty()) advice = advice_for(import);
  }
  if (missing.empty()) return {};
  const std::size_t count = std::min(missing.size(), missing_counted_max);
  const std::string things =
      (missing.size() > count ? "more than " : "") + std::to_string(count) + " things that";
  std::string message =
      "the module imports " + (count == 1 ? "what" : things) + " Canopy does not offer: " + list;
  if (count > missing_imports_named_max) {
    message += " and " + std::to_string(count - missing_imports_named_max) + " more";
  }
  if (!advice.empty()) message += "; " + std::string(advice);
  return refuse(message);
}

std::string exported_functions(const WasmModule& module) {
  std::string list;
  std::size_t count = 0;
  for (const WasmExport& entry : module.exports) {
    if (entry.kind != ExternKind::function || ++count > exports_shown_max) continue;
    list += (list.empty() ? "" : ", ") + log_safe(entry.name, name_shown_max);
  }
  if (count == 0) return "it exports no function";
  if (count > exports_shown_max) list += " and " + std::to_string(count - exports_shown_max) + " more";
  return "it exports " + list;
}

Result<void> check_entry(const WasmModule& module) {
  if (module.shape() != WasmShape::none) return {};
  return refuse(
      "the module has no entry point: a command exports the function _start (it has a main), a reactor "
      "exports "
      "the function canopy_handle or handle; " +
      exported_functions(module));
}

tl::unexpected<Error> too_much_memory(const WasmMemory& memory, const Limits& limits) {
  const std::string needed = size_text(memory.size_bytes());
  return refuse("the module starts with " + needed + " of memory and the function's limit is " +
                size_text(limits.memory_bytes) + ": deploy it with --memory=" + needed +
                " or with 'memory: " + needed +
                "' in its manifest, or build it with a smaller initial memory");
}

Result<void> check_memory(const WasmModule& module, const Limits& limits) {
  if (module.memories.size() > 1) {
    return refuse("the module has " + std::to_string(module.memories.size()) +
                  " memories; Canopy runs modules with one");
  }
  for (const WasmMemory& memory : module.memories) {
    if (memory.shared) {
      return refuse(
          "the module's memory is shared between threads, which Canopy does not offer: build it without "
          "-pthread and --shared-memory");
    }
    if (memory.is_64) return refuse("the module's memory is 64-bit; Canopy runs wasm32: build for that");
    if (memory.page_bytes != 64 * KiB) {
      return refuse("the module's memory has pages of " + size_text(memory.page_bytes) +
                    "; Canopy runs modules with pages of 64KiB");
    }
    if (memory.size_bytes() <= limits.memory_bytes) continue;
    return too_much_memory(memory, limits);
  }
  return {};
}

Result<void> check_tables(const WasmModule& module, const Limits& limits) {
  if (module.tables.size() > 1) {
    return refuse("the module has " + std::to_string(module.tables.size()) +
                  " tables; Canopy runs modules with one");
  }
  for (const WasmTable& table : module.tables) {
    if (table.elements <= limits.table_elements) continue;
    return refuse("the module starts with a table of " + std::to_string(table.elements) +
                  " elements; a function may have " + std::to_string(limits.table_elements));
  }
  return {};
}

}  // namespace

Result<void> check_deployable(const WasmModule& module, std::span<const OfferedImport> offered,
                              const Limits& limits) {
  if (module.has_custom_section("linking")) {
    return refuse("the module is an object file (.o) that is not linked yet: link it, or compile without -c");
  }
  if (module.has_custom_section("dylink.0") || module.has_custom_section("dylink")) {
    return refuse("the module is a shared library, to be loaded by another: link a program without -shared");
  }
  // A shared memory tells why the imports of threads are missing too, so it is said before them.
  for (const WasmMemory& memory : module.memories) {
    if (memory.shared) return check_memory(module, limits);
  }
  CANOPY_TRY_VOID(check_imports(module, offered));
  CANOPY_TRY_VOID(check_entry(module));
  CANOPY_TRY_VOID(check_memory(module, limits));
  return check_tables(module, limits);
}

}  // namespace canopy::wire
