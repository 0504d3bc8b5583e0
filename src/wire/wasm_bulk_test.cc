#include "wire/wasm_bulk.h"

#include <vector>

#include <gtest/gtest.h>

#include "wire/wasm_code.h"
#include "wire/wasm_inspect.h"
#include "wire/wasm_write.h"

namespace canopy::wire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr std::string_view from_parameters = "\x20\0\x20\1\x20\2"sv;
constexpr std::string_view fill = "\xfc\x0b\0"sv;
constexpr std::string_view copy = "\xfc\x0a\0\0"sv;
constexpr std::string_view init = "\xfc\x08\0\0"sv;

std::string section(char id, std::string_view body) {
  std::string made(1, id);
  add_text(body, made);
  return made;
}

std::string names_of_functions(std::string_view content) {
  std::string body;
  add_text("name", body);
  body += '\1';
  add_text(content, body);
  return section(0, body);
}

// A module of one function, "run", of (i32 i32 i32) -> (), and one data segment.
std::string module(std::string_view text, std::size_t segment_bytes = 3) {
  std::string body = "\0"s + std::string(text) + "\x0b"s;
  std::string code = "\1";
  add_text(body, code);
  std::string data = "\1\1"s;
  add_text(std::string(segment_bytes, 'x'), data);
  return "\0asm\1\0\0\0"s + section(1, "\1\x60\3\x7f\x7f\x7f\0"sv) + section(3, "\1\0"sv) +
         section(5, "\1\0\1"sv) + section(7, "\1\3run\0\0"sv) + section(12, "\1"sv) + section(10, code) +
         section(11, data) + names_of_functions("\1\0\3run"sv);
}

std::string parted(const std::string& wasm) {
  const auto made = part_bulk_operations(wasm);
  EXPECT_TRUE(made) << made.error().message;
  return made && *made ? **made : "";
}

TEST(WasmBulk, LeavesWhatIsShortOrAbsent) {
  for (const std::string& text :
       {""s, std::string(from_parameters) + "\x1a\x1a\x1a"s,
        // A constant length of 64 KiB, and of nothing.
        "\x20\0\x20\1\x41\x80\x80\4"s + std::string(fill), "\x20\0\x20\1\x41\0"s + std::string(copy),
        // A segment that is smaller than a piece.
        std::string(from_parameters) + std::string(init)}) {
    const auto made = part_bulk_operations(module(text));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_FALSE(*made);
  }
}

TEST(WasmBulk, CallsAFunctionThatDoesItInPieces) {
  for (const std::string_view instruction : {fill, copy, init}) {
    const std::string before = module(std::string(from_parameters) + std::string(instruction), 70'000);
    const std::string made = parted(before);
    const auto read = inspect_wasm(made);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->function_count, 2U);
    const auto names = read_function_names(*read);
    EXPECT_EQ(names.find(0), "run");
    EXPECT_TRUE(names.find(1) && names.find(1)->starts_with("memory."));
    // As long as it was: offsets in the function stay.
    const std::string call = std::string(from_parameters) + "\x10"s +
                             (instruction.size() == 3 ? "\x81\0\x0b"s : "\x81\x80\0\x0b"s);
    EXPECT_NE(made.find(call), std::string::npos);
  }
}

TEST(WasmBulk, AConstantOfMoreThanAPieceIsLong) {
  EXPECT_NE(parted(module("\x20\0\x20\1\x41\x81\x80\4"s + std::string(fill))), "");
  EXPECT_NE(parted(module("\x20\0\x20\1\x41\x7f"s + std::string(fill))), "");  // -1 is 4 GiB less one.
}

TEST(WasmBulk, BoundsTheLengthOfAnArray) {
  const std::string made = parted(module("\x20\0\xfb\7\0\x1a"s));  // array.new_default
  EXPECT_NE(made.find("\x20\0\x10\1\xfb\7\0\x1a"s), std::string::npos);
  EXPECT_EQ(parted(module("\x41\5\xfb\7\0\x1a"s)), "");
}

TEST(WasmBulk, RefusesWhatItDoesNotKnow) {
  const auto why = [](const std::string& wasm) {
    const auto made = part_bulk_operations(wasm);
    return made ? "" : made.error().message;
  };
  EXPECT_NE(why(module("\x06\x40"s)).find("0x06"), std::string::npos);
  EXPECT_NE(why(module("\xfc\x63"s)).find("0xfc 0x63"), std::string::npos);
  EXPECT_NE(why("nothing"), "");
  // What lies behind the last type would be one, once others were put behind it.
  std::string hidden = module(std::string(from_parameters) + std::string(fill));
  hidden.replace(9, 2, "\x09\1"s).insert(18, "\x4e\2"s);
  EXPECT_NE(why(hidden).find("bytes behind its last item"), std::string::npos) << why(hidden);
  const std::string whole = module(std::string(from_parameters) + std::string(copy), 70'000).substr(0, 120);
  for (std::size_t size = 8; size < whole.size(); ++size) {
    (void)part_bulk_operations(std::string_view(whole).substr(0, size));  // Whatever it answers, it ends.
  }
}

TEST(WasmCode, KnowsWhereInstructionsEnd) {
  const std::vector<std::string> instructions = {
      "\x02\x40"s,                        // block
      "\x03\x63\x70"s,                    // loop (ref null func)
      "\x04\x05"s,                        // if, of type 5
      "\x1f\x40\2\0\1\0\3\1"s,            // try_table, two catches
      "\x0e\2\0\1\2"s,                    // br_table
      "\x11\1\0"s,                        // call_indirect
      "\x1c\1\x7f"s,                      // select i32
      "\x28\2\x80\1"s,                    // i32.load
      "\x28\x42\1\0"s,                    // of memory 1
      "\x41\x80\x80\4"s,                  // i32.const
      "\x42\x7f"s,                        // i64.const -1
      "\x43\0\0\0\0"s,                    // f32.const
      "\x44\0\0\0\0\0\0\0\0"s,            // f64.const
      "\x6a"s,                            // i32.add
      "\xd0\x70"s,                        // ref.null func
      "\xfb\x18\1\0\x6e\x6b"s,            // br_on_cast
      "\xfc\x0a\0\0"s,                    // memory.copy
      "\xfd\x0c"s + "0123456789abcdef"s,  // v128.const
      "\xfd\x15\3"s,                      // i8x16.extract_lane_s
      "\xfd\x54\0\0\1"s,                  // v128.load8_lane
      "\xfd\x80\2"s,                      // relaxed swizzle
      "\xfe\3\0"s,                        // atomic.fence
      "\xfe\x10\2\0"s,                    // i32.atomic.load
  };
  for (const std::string& bytes : instructions) {
    WasmReader reader(bytes, 0, "a test");
    EXPECT_EQ(read_instruction(reader).end, bytes.size()) << reader.error().value().message;
    EXPECT_TRUE(reader.good());
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      WasmReader cut(std::string_view(bytes).substr(0, size), 0, "a test");
      read_instruction(cut);
      EXPECT_FALSE(cut.good()) << "the first " << size << " bytes of " << static_cast<int>(bytes[0]);
    }
  }
}

}  // namespace
}  // namespace canopy::wire
