#include "wire/wasm_bulk.h"

#include <algorithm>
#include <array>
#include <compare>
#include <map>
#include <span>
#include <vector>

#include "base/units.h"
#include "wire/wasm_bulk_text.h"
#include "wire/wasm_code.h"
#include "wire/wasm_write.h"

namespace canopy::wire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr std::string_view header = "\0asm\1\0\0\0"sv;
constexpr std::uint32_t many = 10'000'000;

enum SectionId : std::uint8_t {
  custom_section = 0,
  type_section = 1,
  import_section = 2,
  function_section = 3,
  code_section = 10,
  data_section = 11,
};

struct Section {
  std::uint8_t id;
  std::string_view body;
  std::size_t offset;
  WasmReader reader(std::string_view what) const { return {body, offset, what}; }
};

struct Edit {
  std::size_t begin;  // In the file; what lies between is replaced.
  std::size_t end;
  std::uint32_t function;
};

struct Body {
  std::string_view bytes;
  std::size_t offset;
  std::vector<Edit> edits;
};

// ---- what the module has

void skip_field_type(WasmReader& reader) {
  reader.skip_value_type();
  reader.byte();
}

template <class Item>
void skip_items(WasmReader& reader, std::size_t bytes_min, const Item& item) {
  const std::uint32_t count = reader.count(bytes_min, many);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) item(reader);
}

// A type, that may name those it is a kind of.
void skip_sub_type(WasmReader& reader) {
  std::uint8_t form = reader.byte();
  if (form == 0x50 || form == 0x4F) {
    skip_items(reader, 1, [](WasmReader& each) { each.u32(); });
    form = reader.byte();
  }
  const auto skip_value = [](WasmReader& each) { each.skip_value_type(); };
  switch (form) {
    case 0x60:
      skip_items(reader, 1, skip_value);
      skip_items(reader, 1, skip_value);
      return;
    case 0x5F:
      return skip_items(reader, 2, skip_field_type);
    case 0x5E:
      return skip_field_type(reader);
    default:
      reader.refuse("a type of a form that is unknown");
  }
}

// How many types there are: a group counts as many as are in it.
std::uint32_t count_types(WasmReader& reader) {
  std::uint32_t types = 0;
  const std::uint32_t entries = reader.count(2, many);
  for (std::uint32_t i = 0; i < entries && reader.good(); ++i) {
    WasmReader ahead = reader;
    if (ahead.byte() != 0x4E) {
      skip_sub_type(reader);
      ++types;
      continue;
    }
    reader.byte();
    skip_items(reader, 2, [&types](WasmReader& each) {
      skip_sub_type(each);
      ++types;
    });
  }
  return types;
}

void skip_limits(WasmReader& reader) {
  const std::uint8_t flags = reader.byte();
  reader.u64();
  if ((flags & 1U) != 0) reader.u64();
  if ((flags & 8U) != 0) reader.u32();
}

std::uint32_t count_imported_functions(WasmReader& reader) {
  std::uint32_t functions = 0;
  skip_items(reader, 4, [&functions](WasmReader& each) {
    each.text();
    each.text();
    switch (each.byte()) {
      case 0:
        ++functions;
        each.u32();
        break;
      case 1:
        each.skip_value_type();
        skip_limits(each);
        break;
      case 2:
        skip_limits(each);
        break;
      case 3:
        skip_field_type(each);
        break;
      case 4:
        each.byte();
        each.u32();
        break;
      default:
        each.refuse("an import of a kind that is unknown");
    }
  });
  return functions;
}

std::uint32_t count_functions(WasmReader& reader) {
  std::uint32_t functions = 0;
  skip_items(reader, 1, [&functions](WasmReader& each) {
    each.u32();
    ++functions;
  });
  return functions;
}

// The sizes of the data segments.
std::vector<std::uint64_t> read_segments(WasmReader& reader) {
  std::vector<std::uint64_t> sizes;
  skip_items(reader, 2, [&sizes](WasmReader& each) {
    const std::uint32_t flags = each.u32();
    if (flags > 2) return each.refuse("a data segment of a kind that is unknown");
    if (flags == 2) each.u32();
    while (flags != 1 && each.good() && read_instruction(each).opcode != opcode::end) {
    }
    const std::uint32_t size = each.u32();
    each.take(size);
    sizes.push_back(size);
  });
  return sizes;
}

// ---- which instructions

bool is_array_of_some_length(std::uint32_t sub_opcode) {
  constexpr std::array<std::uint32_t, 8> with_length = {6, 7, 9, 10, 16, 17, 18, 19};
  return std::ranges::find(with_length, sub_opcode) != with_length.end();
}

class Editor {
 public:
  Editor(std::uint32_t function_count, std::span<const std::uint64_t> segments)
      : function_count_(function_count), segments_(segments) {}

  Body read_body(WasmReader& code) {
    const std::uint32_t size = code.u32();
    Body body{.bytes = {}, .offset = code.offset(), .edits = {}};
    body.bytes = code.take(size);
    if (!code.good()) return body;
    WasmReader reader(body.bytes, body.offset, "the code section");
    skip_items(reader, 2, [](WasmReader& each) {
      each.u32();
      each.skip_value_type();
    });
    WasmInstruction before;
    while (reader.good() && !reader.at_end()) {
      const WasmInstruction now = read_instruction(reader);
      look_at(before, now, body.edits);
      before = now;
    }
    if (!reader.good()) code = reader;
    return body;
  }

  // By index: the first is the first function after the module's own.
  std::vector<BulkHelper> helpers() const {
    std::vector<BulkHelper> all(helpers_.size());
    for (const auto& [helper, place] : helpers_) all.at(place) = helper;
    return all;
  }

 private:
  void look_at(const WasmInstruction& before, const WasmInstruction& now, std::vector<Edit>& edits) {
    // What is pushed right before is the length.
    const bool known = before.opcode == opcode::i32_const && before.end == now.begin;
    const std::uint32_t length = known ? static_cast<std::uint32_t>(before.constant) : UINT32_MAX;
    if (now.opcode == opcode::gc_prefix) {
      if (!is_array_of_some_length(now.sub_opcode) || length <= array_elements_max) return;
      edits.push_back({now.begin, now.begin, function_of({BulkHelper::Kind::array_length})});
      return;
    }
    if (now.opcode != opcode::misc_prefix || length <= bulk_piece_bytes) return;
    if (now.sub_opcode == 8 && now.second == 0) {
      const bool is_small = now.first >= segments_.size() || segments_[now.first] <= bulk_piece_bytes;
      if (!is_small) edits.push_back({now.begin, now.end, function_of({BulkHelper::Kind::init, now.first})});
    } else if (now.sub_opcode == 10 && now.first == 0 && now.second == 0) {
      edits.push_back({now.begin, now.end, function_of({BulkHelper::Kind::copy})});
    } else if (now.sub_opcode == 11 && now.first == 0) {
      edits.push_back({now.begin, now.end, function_of({BulkHelper::Kind::fill})});
    }
  }

  std::uint32_t function_of(const BulkHelper& helper) {
    const auto place = static_cast<std::uint32_t>(helpers_.size());
    return function_count_ + helpers_.try_emplace(helper, place).first->second;
  }

  const std::uint32_t function_count_;
  const std::span<const std::uint64_t> segments_;
  std::map<BulkHelper, std::uint32_t> helpers_;
};

// ---- what is put there

// A call that takes as many bytes as the instruction did, if it can, so that offsets stay.
void add_call(const Edit& edit, std::string& out) {
  out += static_cast<char>(opcode::call);
  const std::size_t room = edit.end - edit.begin;
  const std::size_t size = std::min<std::size_t>(room == 0 ? 0 : room - 1, 5);
  add_u32(edit.function, size, out);
}

std::string edited(const Body& body) {
  std::string made;
  std::size_t at = 0;
  for (const Edit& edit : body.edits) {
    made += body.bytes.substr(at, edit.begin - body.offset - at);
    add_call(edit, made);
    at = edit.end - body.offset;
  }
  made += body.bytes.substr(at);
  return made;
}

// ---- the sections anew

// A section that is a list, with `count` items more at its end.
std::string longer(const Section& section, std::uint64_t count, std::string_view items) {
  WasmReader reader = section.reader("");
  const std::uint64_t before = reader.u32();
  std::string body;
  add_u32(before + count, body);
  body += section.body.substr(section.body.size() - reader.left());
  body += items;
  return body;
}

// The name section with the helpers' names; as it was where it cannot be read.
std::string with_names(const Section& section, std::uint32_t first, std::span<const BulkHelper> helpers) {
  constexpr std::uint8_t of_functions = 1;
  WasmReader reader = section.reader("");
  if (reader.text() != "name") return std::string(section.body);
  std::string body(section.body.substr(0, section.body.size() - reader.left()));
  while (reader.good() && !reader.at_end()) {
    const std::uint8_t id = reader.byte();
    const std::uint32_t size = reader.u32();
    const Section part{.id = id, .body = reader.take(size), .offset = 0};
    std::string content(part.body);
    if (id == of_functions) {
      std::string names;
      for (std::uint32_t i = 0; i < helpers.size(); ++i) {
        add_u32(first + i, names);
        add_text(bulk_name(helpers[i]), names);
      }
      content = longer(part, helpers.size(), names);
    }
    body += static_cast<char>(id);
    add_text(content, body);
  }
  return reader.good() ? body : std::string(section.body);
}

struct Module {
  std::vector<Section> sections;
  std::uint32_t type_count = 0;
  std::uint32_t function_count = 0;  // Imported and own.
  std::vector<std::uint64_t> segments;
};

bool is_read(std::uint8_t id) {
  return id == type_section || id == import_section || id == function_section || id == data_section;
}

// Behind the last item of a list new ones are put: what lay there would become items, too.
void refuse_rest(WasmReader& reader) {
  if (reader.good() && !reader.at_end()) reader.refuse("there are bytes behind its last item");
}

Result<Module> read_module(std::string_view wasm) {
  if (!wasm.starts_with(header)) return fail(Code::refused, "it is no WebAssembly module of version 1");
  Module module;
  WasmReader reader(wasm.substr(header.size()), header.size(), "the module");
  while (reader.good() && !reader.at_end()) {
    Section section{.id = reader.byte(), .body = {}, .offset = 0};
    const std::uint32_t size = reader.u32();
    section.offset = reader.offset();
    section.body = reader.take(size);
    if (!reader.good()) break;
    module.sections.push_back(section);
    WasmReader inside = section.reader("a section before the code");
    if (section.id == type_section) module.type_count += count_types(inside);
    if (section.id == import_section) module.function_count += count_imported_functions(inside);
    if (section.id == function_section) module.function_count += count_functions(inside);
    if (section.id == data_section) module.segments = read_segments(inside);
    if (is_read(section.id)) refuse_rest(inside);
    if (!inside.good()) return inside.error();
  }
  if (!reader.good()) return reader.error();
  return module;
}

Result<std::vector<Body>> read_bodies(const Section& section, Editor& editor) {
  std::vector<Body> bodies;
  WasmReader reader = section.reader("the code section");
  const std::uint32_t count = reader.count(2, many);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) bodies.push_back(editor.read_body(reader));
  refuse_rest(reader);
  if (!reader.good()) return reader.error();
  return bodies;
}

std::string write_bodies(std::span<const Body> bodies, std::span<const BulkHelper> helpers,
                         const Module& module) {
  std::string made;
  add_u32(bodies.size() + helpers.size(), made);
  for (const Body& body : bodies) {
    if (body.edits.empty()) {
      add_text(body.bytes, made);
    } else {
      add_text(edited(body), made);
    }
  }
  for (const BulkHelper& helper : helpers) {
    const bool is_init = helper.kind == BulkHelper::Kind::init;
    std::string text = "\0"s;  // No locals.
    text += bulk_text(helper, is_init ? module.segments.at(helper.segment) : 0);
    text += static_cast<char>(opcode::end);
    add_text(text, made);
  }
  return made;
}

}  // namespace

Result<std::optional<std::string>> part_bulk_operations(std::string_view wasm) {
  CANOPY_TRY(const Module module, read_module(wasm));
  const auto is_code = [](const Section& section) { return section.id == code_section; };
  const auto code = std::ranges::find_if(module.sections, is_code);
  if (code == module.sections.end()) return std::nullopt;
  Editor editor(module.function_count, module.segments);
  CANOPY_TRY(const std::vector<Body> bodies, read_bodies(*code, editor));
  const std::vector<BulkHelper> helpers = editor.helpers();
  if (helpers.empty()) return std::nullopt;

  constexpr std::string_view types = "\x60\3\x7f\x7f\x7f\0\x60\1\x7f\1\x7f"sv;  // (i32 i32 i32), (i32) -> i32
  std::string type_indices;
  for (const BulkHelper& helper : helpers) {
    add_u32(module.type_count + (helper.kind == BulkHelper::Kind::array_length ? 1U : 0U), type_indices);
  }
  std::string made(header);
  made.reserve(wasm.size() + 1 * KiB);
  for (const Section& section : module.sections) {
    made += static_cast<char>(section.id);
    switch (section.id) {
      case type_section:
        add_text(longer(section, 2, types), made);
        break;
      case function_section:
        add_text(longer(section, helpers.size(), type_indices), made);
        break;
      case code_section:
        add_text(write_bodies(bodies, helpers, module), made);
        break;
      case custom_section:
        add_text(with_names(section, module.function_count, helpers), made);
        break;
      default:
        add_text(section.body, made);
    }
  }
  return made;
}

}  // namespace canopy::wire
