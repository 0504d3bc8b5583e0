#include "wire/wasm_split.h"

#include <algorithm>
#include <vector>

#include "wire/wasm_inspect.h"
#include "wire/wasm_reader.h"
#include "wire/wasm_write.h"

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view header = "\0asm\1\0\0\0"sv;
constexpr std::size_t wasm_page_bytes = 65'536;
// Zeros between two segments are cheaper left out than written from here on.
constexpr std::size_t gap_bytes = 4096;

enum SectionId : std::uint8_t {
  import_section = 2,
  memory_section = 5,
  export_section = 7,
  start_section = 8,
  data_section = 11,
  data_count_section = 12,
};

void add_section(SectionId id, std::string_view body, std::string& out) {
  out += static_cast<char>(id);
  add_text(body, out);
}

std::string memory_export() {
  std::string body = "\1";
  add_text(split_memory_name, body);
  body += "\2\0"sv;  // A memory, the first.
  return body;
}

// The import section with the memory in front; `body` is empty where there was none.
std::string with_memory_import(std::string_view body, std::string_view limits, WasmReader reader) {
  const std::uint32_t count = body.empty() ? 0 : reader.u32();
  const std::string_view entries = body.empty() ? body : body.substr(body.size() - reader.left());
  std::string made;
  add_u32(std::uint64_t{count} + 1, made);
  add_text(split_memory_module, made);
  add_text(split_memory_name, made);
  made += '\2';
  made += limits;
  made += entries;
  return made;
}

struct Section {
  std::uint8_t id;
  std::string_view body;
  std::size_t offset;
};

tl::unexpected<Error> cannot(std::string_view why) {
  return fail(Code::refused, "the module's code cannot be parted from its memory: " + std::string(why));
}

// Each segment is put at a constant. Of others (a passive one, say) the code would not find its own.
Result<void> check_data(const Section& section) {
  constexpr std::uint8_t i32_const = 0x41;
  constexpr std::uint8_t end = 0x0b;
  WasmReader reader(section.body, section.offset, "the data section");
  for (std::uint32_t left = reader.u32(); left > 0 && reader.good(); --left) {
    const bool active = reader.u32() == 0 && reader.byte() == i32_const;
    while (active && (reader.byte() & 0x80U) != 0) {  // What it is does not matter.
    }
    if (!active || reader.byte() != end) {
      if (!reader.good()) break;
      return cannot("a segment of its data is not put at a constant");
    }
    reader.take(reader.u32());
  }
  if (!reader.good()) return reader.error();
  return {};
}

// Where the import section stands among the others, whose numbers are in order up to there.
bool comes_after_imports(std::uint8_t id) { return id > import_section; }

}  // namespace

Result<SplitModule> split_memory(std::string_view wasm) {
  if (!wasm.starts_with(header)) return cannot("it is no WebAssembly module of version 1");
  CANOPY_TRY(const WasmModule module, inspect_wasm(wasm));
  if (module.start_function) return cannot("it has a start function");
  if (module.memories.size() > 1) return cannot("it has not one memory, but more");
  if (module.memories.empty() || module.memories.front().imported)
    return cannot("it has no memory of its own");

  WasmReader reader(wasm.substr(header.size()), header.size(), "the module");
  std::vector<Section> sections;
  std::string_view limits;
  std::string_view data;
  while (reader.good() && !reader.at_end()) {
    Section section{.id = reader.byte(), .body = {}, .offset = 0};
    const std::uint32_t size = reader.u32();
    section.offset = reader.offset();
    section.body = reader.take(size);
    if (section.id == memory_section) {
      WasmReader memories(section.body, section.offset, "the memory section");
      memories.u32();
      limits = section.body.substr(section.body.size() - memories.left());
    } else if (section.id == data_section) {
      data = section.body;
      CANOPY_TRY_VOID(check_data(section));
    } else if (section.id != data_count_section) {
      sections.push_back(section);
    }
  }
  if (!reader.good()) return reader.error();

  SplitModule split{.code = std::string(header), .image = std::string(header)};
  bool imported = false;
  for (const Section& section : sections) {
    if (!imported && section.id != 0 && comes_after_imports(section.id)) {
      add_section(import_section, with_memory_import({}, limits, {{}, 0, ""}), split.code);
      imported = true;
    }
    if (section.id == import_section) {
      const WasmReader imports(section.body, section.offset, "the import section");
      add_section(import_section, with_memory_import(section.body, limits, imports), split.code);
      imported = true;
      continue;
    }
    add_section(static_cast<SectionId>(section.id), section.body, split.code);
  }
  add_section(memory_section, "\1" + std::string(limits), split.image);
  add_section(export_section, memory_export(), split.image);
  if (!data.empty()) add_section(data_section, data, split.image);
  return split;
}

std::string write_image(std::span<const std::byte> memory) {
  const std::string_view bytes(reinterpret_cast<const char*>(memory.data()), memory.size());
  std::string image(header);
  std::string limits("\1\0"sv);
  add_u32(bytes.size() / wasm_page_bytes, limits);
  add_section(memory_section, limits, image);
  add_section(export_section, memory_export(), image);
  std::string segments;
  std::uint32_t count = 0;
  std::size_t at = 0;
  while ((at = bytes.find_first_not_of('\0', at)) != std::string_view::npos) {
    std::size_t end = at;
    for (std::size_t next = at; next != std::string_view::npos && next < end + gap_bytes;) {
      end = std::min(bytes.find('\0', next), bytes.size());
      next = bytes.find_first_not_of('\0', end);
    }
    segments += "\0\x41"sv;  // Active, at the constant:
    add_s64(static_cast<std::int32_t>(static_cast<std::uint32_t>(at)), segments);
    segments += '\x0b';
    add_text(bytes.substr(at, end - at), segments);
    ++count;
    at = end;
  }
  std::string data;
  add_u32(count, data);
  data += segments;
  add_section(data_section, data, image);
  return image;
}

}  // namespace canopy::wire
