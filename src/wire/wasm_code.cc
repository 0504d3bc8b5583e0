#include "wire/wasm_code.h"

#include <cstdio>
#include <string>

namespace canopy::wire {
namespace {

void skip_memory_argument(WasmReader& reader) {
  constexpr std::uint32_t names_memory = 0x40;
  if ((reader.u32() & names_memory) != 0) reader.u32();
  reader.u64();
}

void skip_indices(WasmReader& reader) {
  const std::uint32_t count = reader.count(1, UINT32_MAX);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) reader.u32();
}

// Nothing, a value type, or the index of a type.
void skip_block_type(WasmReader& reader) {
  WasmReader ahead = reader;
  const std::uint8_t first = ahead.byte();
  if (first == 0x63 || first == 0x64) {
    reader.skip_value_type();
  } else {
    reader.signed_number(33);
  }
}

void skip_catches(WasmReader& reader) {
  const std::uint32_t count = reader.count(2, UINT32_MAX);
  for (std::uint32_t i = 0; i < count && reader.good(); ++i) {
    const std::uint8_t kind = reader.byte();
    if (kind > 3) return reader.refuse("a catch of a kind that is unknown");
    if (kind < 2) reader.u32();
    reader.u32();
  }
}

void unknown(WasmReader& reader, const WasmInstruction& read) {
  char text[32];
  if (read.opcode >= opcode::gc_prefix) {
    std::snprintf(text, sizeof text, "0x%02x 0x%02x", read.opcode, read.sub_opcode);
  } else {
    std::snprintf(text, sizeof text, "0x%02x", read.opcode);
  }
  reader.refuse("an instruction that is not known: " + std::string(text));
}

void read_gc(WasmReader& reader, WasmInstruction& read) {
  read.sub_opcode = reader.u32();
  switch (read.sub_opcode) {
    case 0:   // struct.new
    case 1:   // struct.new_default
    case 6:   // array.new
    case 7:   // array.new_default
    case 11:  // array.get
    case 12:
    case 13:
    case 14:  // array.set
    case 16:  // array.fill
      read.first = reader.u32();
      return;
    case 2:  // struct.get
    case 3:
    case 4:
    case 5:   // struct.set
    case 8:   // array.new_fixed
    case 9:   // array.new_data
    case 10:  // array.new_elem
    case 17:  // array.copy
    case 18:  // array.init_data
    case 19:  // array.init_elem
      read.first = reader.u32();
      read.second = reader.u32();
      return;
    case 15:  // array.len
    case 26:  // any.convert_extern
    case 27:
    case 28:  // ref.i31
    case 29:
    case 30:
      return;
    case 20:  // ref.test
    case 21:
    case 22:  // ref.cast
    case 23:
      reader.signed_number(33);
      return;
    case 24:  // br_on_cast
    case 25:
      reader.byte();
      reader.u32();
      reader.signed_number(33);
      reader.signed_number(33);
      return;
    default:
      return unknown(reader, read);
  }
}

void read_misc(WasmReader& reader, WasmInstruction& read) {
  read.sub_opcode = reader.u32();
  if (read.sub_opcode <= 7) return;  // Saturating truncations.
  switch (read.sub_opcode) {
    case 8:   // memory.init
    case 10:  // memory.copy
    case 12:  // table.init
    case 14:  // table.copy
      read.first = reader.u32();
      read.second = reader.u32();
      return;
    case 9:   // data.drop
    case 11:  // memory.fill
    case 13:  // elem.drop
    case 15:  // table.grow
    case 16:  // table.size
    case 17:  // table.fill
      read.first = reader.u32();
      return;
    default:
      return unknown(reader, read);
  }
}

void read_simd(WasmReader& reader, WasmInstruction& read) {
  read.sub_opcode = reader.u32();
  const std::uint32_t sub = read.sub_opcode;
  constexpr std::uint32_t last = 0x113;
  if (sub > last) return unknown(reader, read);
  if (sub <= 11 || sub == 92 || sub == 93) {  // Loads and a store.
    skip_memory_argument(reader);
  } else if (sub == 12 || sub == 13) {  // v128.const, i8x16.shuffle
    reader.take(16);
  } else if (sub >= 21 && sub <= 34) {  // A lane taken out or put in.
    reader.byte();
  } else if (sub >= 84 && sub <= 91) {  // A lane loaded or stored.
    skip_memory_argument(reader);
    reader.byte();
  }
}

void read_atomic(WasmReader& reader, WasmInstruction& read) {
  read.sub_opcode = reader.u32();
  const std::uint32_t sub = read.sub_opcode;
  if (sub == 3) {  // atomic.fence
    reader.byte();
  } else if (sub < 3 || (sub >= 0x10 && sub <= 0x4E)) {
    skip_memory_argument(reader);
  } else {
    unknown(reader, read);
  }
}

void read_plain(WasmReader& reader, WasmInstruction& read) {
  const std::uint8_t op = read.opcode;
  if (op >= 0x45 && op <= 0xC4) return;  // Arithmetic.
  if (op >= 0x28 && op <= 0x3E) return skip_memory_argument(reader);
  switch (op) {
    case 0x00:  // unreachable
    case 0x01:  // nop
    case 0x05:  // else
    case 0x0A:  // throw_ref
    case 0x0B:  // end
    case 0x0F:  // return
    case 0x1A:  // drop
    case 0x1B:  // select
    case 0xD1:  // ref.is_null
    case 0xD3:  // ref.eq
    case 0xD4:  // ref.as_non_null
      return;
    case 0x02:  // block
    case 0x03:  // loop
    case 0x04:  // if
      return skip_block_type(reader);
    case 0x1F:  // try_table
      skip_block_type(reader);
      return skip_catches(reader);
    case 0x08:  // an exception of a tag
    case 0x0C:  // br
    case 0x0D:  // br_if
    case 0x10:  // call
    case 0x12:  // return_call
    case 0x14:  // call_ref
    case 0x15:  // return_call_ref
    case 0x20:  // local.get
    case 0x21:
    case 0x22:
    case 0x23:  // global.get
    case 0x24:
    case 0x25:  // table.get
    case 0x26:
    case 0x3F:  // memory.size
    case 0x40:
    case 0xD2:  // ref.func
    case 0xD5:  // br_on_null
    case 0xD6:
      read.first = reader.u32();
      return;
    case 0x0E:  // br_table
      skip_indices(reader);
      reader.u32();
      return;
    case 0x11:  // call_indirect
    case 0x13:
      read.first = reader.u32();
      read.second = reader.u32();
      return;
    case 0x1C: {  // select of a type
      const std::uint32_t count = reader.count(1, UINT32_MAX);
      for (std::uint32_t i = 0; i < count && reader.good(); ++i) reader.skip_value_type();
      return;
    }
    case 0x41:
      read.constant = reader.signed_number(32);
      return;
    case 0x42:
      read.constant = reader.signed_number(64);
      return;
    case 0x43:
      reader.take(4);
      return;
    case 0x44:
      reader.take(8);
      return;
    case 0xD0:  // ref.null
      reader.signed_number(33);
      return;
    default:
      return unknown(reader, read);
  }
}

}  // namespace

WasmInstruction read_instruction(WasmReader& reader) {
  WasmInstruction read;
  read.begin = reader.offset();
  read.opcode = reader.byte();
  switch (read.opcode) {
    case opcode::gc_prefix:
      read_gc(reader, read);
      break;
    case opcode::misc_prefix:
      read_misc(reader, read);
      break;
    case opcode::simd_prefix:
      read_simd(reader, read);
      break;
    case opcode::atomic_prefix:
      read_atomic(reader, read);
      break;
    default:
      read_plain(reader, read);
  }
  read.end = reader.offset();
  return read;
}

}  // namespace canopy::wire
