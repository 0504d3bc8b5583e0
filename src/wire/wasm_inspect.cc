#include "wire/wasm_inspect.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/units.h"
#include "wire/wasm_reader.h"

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view magic = "\0asm"sv;
constexpr std::string_view core_version = "\1\0\0\0"sv;
constexpr std::uint32_t imports_max = 1'000'000;
constexpr std::uint32_t exports_max = 1'000'000;
constexpr std::uint32_t functions_max = 10'000'000;
constexpr std::uint32_t few_max = 100'000;  // Of tables, of memories.
constexpr std::size_t custom_sections_max = 10'000;

enum SectionId : std::uint8_t {
  custom_section = 0,
  import_section = 2,
  function_section = 3,
  table_section = 4,
  memory_section = 5,
  export_section = 7,
  start_section = 8,
};

struct SectionKind {
  std::string_view what;
  int order;  // Sections come in this order, each at most once; custom ones (0) anywhere.
};
constexpr std::array<SectionKind, 14> section_kinds = {{{"a custom section", 0},
                                                        {"the type section", 1},
                                                        {"the import section", 2},
                                                        {"the function section", 3},
                                                        {"the table section", 4},
                                                        {"the memory section", 5},
                                                        {"the global section", 7},
                                                        {"the export section", 8},
                                                        {"the start section", 9},
                                                        {"the element section", 10},
                                                        {"the code section", 12},
                                                        {"the data section", 13},
                                                        {"the data count section", 11},
                                                        {"the tag section", 6}}};

// The sizes of a memory or table: flags, the least, and perhaps the most.
struct Sizes {
  std::uint64_t min = 0;
  std::optional<std::uint64_t> max;
  std::uint8_t flags = 0;
};
constexpr std::uint8_t has_max = 1;
constexpr std::uint8_t is_shared = 2;
constexpr std::uint8_t is_64 = 4;
constexpr std::uint8_t has_page_size = 8;

Sizes read_sizes(WasmReader& reader, std::uint8_t known_flags) {
  Sizes sizes;
  sizes.flags = reader.byte();
  if ((sizes.flags & ~known_flags) != 0) reader.refuse("limits of a kind that is unknown");
  const bool wide = (sizes.flags & is_64) != 0;
  sizes.min = wide ? reader.u64() : reader.u32();
  if ((sizes.flags & has_max) != 0) sizes.max = wide ? reader.u64() : reader.u32();
  if (sizes.max && *sizes.max < sizes.min) reader.refuse("a maximum below the initial size");
  return sizes;
}

WasmMemory read_memory(WasmReader& reader, bool imported) {
  const Sizes sizes = read_sizes(reader, has_max | is_shared | is_64 | has_page_size);
  WasmMemory memory{.pages = sizes.min, .pages_max = sizes.max, .imported = imported};
  memory.shared = (sizes.flags & is_shared) != 0;
  memory.is_64 = (sizes.flags & is_64) != 0;
  if ((sizes.flags & has_page_size) != 0) {
    const std::uint32_t power = reader.u32();
    if (power > 16) reader.refuse("a page size that is too large");
    memory.page_bytes = std::uint64_t{1} << std::min(power, 16U);
  }
  const std::uint64_t pages_max = 4 * GiB / memory.page_bytes;
  if (!memory.is_64 && memory.pages > pages_max) {
    reader.refuse(std::to_string(memory.pages) + " pages are more than there can be");
  }
  return memory;
}

WasmTable read_table(WasmReader& reader, bool imported) {
  reader.skip_value_type();
  const Sizes sizes = read_sizes(reader, has_max | is_shared | is_64);
  return WasmTable{.elements = sizes.min, .elements_max = sizes.max, .imported = imported};
}

void read_imports(WasmReader& reader, WasmModule& module) {
  const std::uint32_t count = reader.count(4, imports_max);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) {
    WasmImport entry{.module = reader.text(), .name = reader.text()};
    const std::uint8_t kind = reader.byte();
    switch (kind) {
      case 0:
        reader.u32();
        ++module.function_count;
        break;
      case 1:
        module.tables.push_back(read_table(reader, true));
        break;
      case 2:
        module.memories.push_back(read_memory(reader, true));
        break;
      case 3:
        reader.skip_value_type();
        if (reader.byte() > 3) reader.refuse("a global that is neither fixed nor variable");
        break;
      case 4:
        if (reader.byte() != 0) reader.refuse("a tag of a kind that is unknown");
        reader.u32();
        break;
      default:
        reader.refuse("an import of a kind that is unknown: " + std::to_string(kind));
    }
    entry.kind = static_cast<ExternKind>(kind);
    if (reader.good()) module.imports.push_back(entry);
  }
}

// False where a table begins with an expression: it is listed, and what follows is the engine's to read.
bool read_tables(WasmReader& reader, WasmModule& module) {
  const std::uint32_t count = reader.count(3, few_max);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) {
    WasmReader ahead = reader;
    if (ahead.byte() == 0x40 && ahead.good()) {
      reader = ahead;
      if (reader.byte() != 0) reader.refuse("a table of a kind that is unknown");
      const WasmTable table = read_table(reader, false);
      if (reader.good()) module.tables.push_back(table);
      return false;
    }
    const WasmTable table = read_table(reader, false);
    if (reader.good()) module.tables.push_back(table);
  }
  return true;
}

void read_memories(WasmReader& reader, WasmModule& module) {
  const std::uint32_t count = reader.count(2, few_max);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) {
    const WasmMemory memory = read_memory(reader, false);
    if (reader.good()) module.memories.push_back(memory);
  }
}

void read_exports(WasmReader& reader, WasmModule& module) {
  const std::uint32_t count = reader.count(3, exports_max);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) {
    WasmExport entry{.name = reader.text()};
    const std::uint8_t kind = reader.byte();
    if (kind > 4) reader.refuse("an export of a kind that is unknown: " + std::to_string(kind));
    entry.kind = static_cast<ExternKind>(kind);
    entry.index = reader.u32();
    if (reader.good() && entry.kind == ExternKind::function && entry.index >= module.function_count) {
      reader.refuse("it exports function " + std::to_string(entry.index) + " of " +
                    std::to_string(module.function_count));
    }
    if (reader.good()) module.exports.push_back(entry);
  }
}

// The first value of the field "language". A comment like the name section: wrong means absent.
std::string_view read_language(std::string_view bytes) {
  WasmReader reader(bytes, 0, "producers");
  const std::uint32_t fields = reader.count(2, few_max);
  for (std::uint32_t i = 0; i < fields && reader.good(); ++i) {
    const std::string_view field = reader.text();
    const std::uint32_t values = reader.count(2, few_max);
    for (std::uint32_t k = 0; k < values && reader.good(); ++k) {
      const std::string_view value = reader.text();
      reader.text();
      if (reader.good() && field == "language") return value;
    }
  }
  return {};
}

void read_custom(WasmReader& reader, WasmModule& module) {
  const std::string_view section = reader.text();
  if (!reader.good()) return;
  if (module.custom_sections.size() == custom_sections_max) {
    reader.refuse("more than " + std::to_string(custom_sections_max) + " custom sections");
    return;
  }
  module.custom_sections.push_back(section);
  const std::string_view content = reader.take(reader.left());
  if (section == "name" && module.name_section.empty()) module.name_section = content;
  if (section == "producers" && module.language.empty()) module.language = read_language(content);
}

// False where the rest of the section is not ours to read.
bool read_section(std::uint8_t id, WasmReader& reader, WasmModule& module) {
  switch (id) {
    case custom_section:
      read_custom(reader, module);
      return true;
    case import_section:
      read_imports(reader, module);
      return true;
    case function_section:
      module.function_count += reader.count(1, functions_max);
      return false;
    case table_section:
      return read_tables(reader, module);
    case memory_section:
      read_memories(reader, module);
      return true;
    case export_section:
      read_exports(reader, module);
      return true;
    case start_section:
      module.start_function = reader.u32();
      if (*module.start_function >= module.function_count)
        reader.refuse("it names a function that is not there");
      return true;
    default:
      return false;
  }
}

Result<void> check_preamble(std::string_view bytes) {
  if (bytes.empty()) return fail(Code::refused, "the code is empty: not a WebAssembly module");
  if (!bytes.starts_with(magic)) {
    if (bytes.size() < magic.size() && magic.starts_with(bytes)) {
      return fail(Code::refused, "the WebAssembly module is truncated: it ends after " +
                                     std::to_string(bytes.size()) + " bytes; was the upload cut short?");
    }
    return fail(Code::refused, "not a WebAssembly module, which begins with \\0asm: this is " +
                                   std::string(describe_foreign(bytes)));
  }
  const std::string_view version = bytes.substr(magic.size(), 4);
  if (version.size() < 4) {
    return fail(Code::refused, "the WebAssembly module is truncated: it ends after " +
                                   std::to_string(bytes.size()) + " bytes; was the upload cut short?");
  }
  if (version == core_version) return {};
  if (version.substr(2) == "\1\0"sv) {
    return fail(Code::refused,
                "this is a WebAssembly component, and Canopy runs core modules: build for wasm32-wasip1 "
                "(WASI preview 1), or deploy the core module inside it");
  }
  std::uint32_t number = 0;
  for (std::size_t i = 4; i-- > 0;) number = number << 8U | static_cast<std::uint8_t>(version[i]);
  return fail(Code::refused, "WebAssembly version " + std::to_string(number) +
                                 " is not known: Canopy runs version 1 of the binary format");
}

std::string_view first_exported(const WasmModule& module, std::initializer_list<std::string_view> names) {
  for (const std::string_view wanted : names) {
    if (module.find_function(wanted) != nullptr) return wanted;
  }
  return {};
}

}  // namespace

std::string_view name(ExternKind kind) {
  constexpr std::array<std::string_view, 5> names = {"function", "table", "memory", "global", "tag"};
  return names.at(static_cast<std::size_t>(kind));
}

std::uint64_t WasmMemory::size_bytes() const {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  return pages > most / page_bytes ? most : pages * page_bytes;
}

const WasmExport* WasmModule::find_function(std::string_view wanted) const {
  const auto found = std::ranges::find_if(
      exports, [&](const WasmExport& e) { return e.kind == ExternKind::function && e.name == wanted; });
  return found == exports.end() ? nullptr : &*found;
}

// A command may well export something that it calls `handle`, and its libraries are only initialised by
// _start: so that goes first.
WasmShape WasmModule::shape() const {
  if (find_function("_start") != nullptr) return WasmShape::command;
  return handler().empty() ? WasmShape::none : WasmShape::reactor;
}

std::string_view WasmModule::handler() const { return first_exported(*this, {"canopy_handle", "handle"}); }

std::string_view WasmModule::init() const {
  return first_exported(*this, {"canopy_init", "wizer.initialize", "wizer-initialize"});
}

bool WasmModule::has_initialize() const { return find_function("_initialize") != nullptr; }

bool WasmModule::has_custom_section(std::string_view section) const {
  return std::ranges::find(custom_sections, section) != custom_sections.end();
}

Result<WasmModule> inspect_wasm(std::string_view bytes) {
  CANOPY_TRY_VOID(check_preamble(bytes));
  WasmModule module;
  WasmReader file(bytes.substr(8), 8, "its sections");
  int order = 0;
  while (!file.at_end() && file.good()) {
    const std::uint8_t id = file.byte();
    if (id >= section_kinds.size()) {
      file.refuse("a section of an unknown kind: " + std::to_string(id));
      break;
    }
    const SectionKind& kind = section_kinds.at(id);
    const std::uint32_t size = file.u32();
    const std::size_t start = file.offset();
    if (file.good() && size > file.left()) {
      return fail(Code::refused, "the WebAssembly module is truncated: " + std::string(kind.what) +
                                     ", at byte " + std::to_string(start) + ", should have " +
                                     std::to_string(size) + " bytes and has " + std::to_string(file.left()) +
                                     "; was the upload cut short?");
    }
    if (id != custom_section && kind.order <= order) file.refuse(std::string(kind.what) + " is out of place");
    if (id != custom_section) order = kind.order;
    WasmReader section(file.take(size), start, kind.what);
    if (!file.good()) break;
    if (read_section(id, section, module) && !section.at_end()) section.refuse("bytes are left over");
    if (!section.good()) return section.error();
  }
  if (!file.good()) return file.error();
  return module;
}

FunctionNames::FunctionNames(std::vector<std::pair<std::uint32_t, std::string_view>> names)
    : names_(std::move(names)) {
  std::ranges::sort(names_);
}

std::optional<std::string_view> FunctionNames::find(std::uint32_t function_index) const {
  const auto found = std::ranges::lower_bound(names_, function_index, {},
                                              &std::pair<std::uint32_t, std::string_view>::first);
  if (found == names_.end() || found->first != function_index) return std::nullopt;
  return found->second;
}

FunctionNames read_function_names(const WasmModule& module) {
  std::vector<std::pair<std::uint32_t, std::string_view>> names;
  WasmReader section(module.name_section, 0, "names");
  while (!section.at_end() && section.good()) {
    const std::uint8_t id = section.byte();
    const std::string_view content = section.take(section.u32());
    if (id != 1) continue;  // 0 is the module's own name, 2 those of local variables, and so on.
    WasmReader reader(content, 0, "function names");
    const std::uint32_t count = reader.count(2, functions_max);
    for (std::uint32_t i = 0; i < count && reader.good(); ++i) {
      const std::uint32_t index = reader.u32();
      const std::string_view text = reader.text();
      if (reader.good()) names.emplace_back(index, text);
    }
    break;
  }
  return FunctionNames(std::move(names));
}

}  // namespace canopy::wire
