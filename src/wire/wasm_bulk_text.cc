#include "wire/wasm_bulk_text.h"

#include <initializer_list>

#include "wire/wasm_bulk.h"
#include "wire/wasm_write.h"

namespace canopy::wire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

// The text of the helpers, all of whose parameters are i32: where to, what, how much.
constexpr std::string_view is_long = "\x20\2\x41\x80\x80\4\x4b"sv;  // n > piece
constexpr std::string_view if_so = "\4\x40"sv;
constexpr std::string_view otherwise = "\5"sv;
constexpr std::string_view loop = "\3\x40"sv;
constexpr std::string_view again = "\x0d\0"sv;  // br_if 0
constexpr std::string_view end = "\x0b"sv;
constexpr std::string_view both = "\x71"sv;                             // i32.and
constexpr std::string_view to_end = "\x20\0\xad\x20\2\xad\x7c"sv;       // d + n, in 64 bits
constexpr std::string_view from_end = "\x20\1\xad\x20\2\xad\x7c"sv;     // s + n
constexpr std::string_view in_memory = "\x3f\0\xad\x42\x10\x86\x58"sv;  // <= memory.size << 16
constexpr std::string_view next_to = "\x20\0\x41\x80\x80\4\x6a\x21\0"sv;
constexpr std::string_view next_from = "\x20\1\x41\x80\x80\4\x6a\x21\1"sv;
constexpr std::string_view less = "\x20\2\x41\x80\x80\4\x6b\x21\2"sv;
constexpr std::string_view piece = "\x41\x80\x80\4"sv;
constexpr std::string_view to_and_from = "\x20\0\x20\1"sv;
constexpr std::string_view all_of_it = "\x20\2"sv;
static_assert(bulk_piece_bytes == 4U << 14, "the piece is written into the text");

std::string join(std::initializer_list<std::string_view> parts) {
  std::string joined;
  for (const std::string_view part : parts) joined += part;
  return joined;
}

// While more than a piece is left: one, from the front.
std::string forwards(std::string_view instruction, bool moves_source) {
  return join({loop, to_and_from, piece, instruction, next_to, moves_source ? next_from : ""sv, less, is_long,
               again, end});
}

// The same from the back: what is copied to a higher place must not overwrite what is still to be copied.
std::string backwards(std::string_view instruction) {
  constexpr std::string_view last_piece = "\x20\0\x20\2\x6a\x20\1\x20\2\x6a"sv;  // d + n, s + n
  return join({loop, less, last_piece, piece, instruction, is_long, again, end});
}

}  // namespace

std::string bulk_text(const BulkHelper& helper, std::uint64_t segment_bytes) {
  constexpr std::string_view is_upwards = "\x20\0\x20\1\x4d"sv;  // d <= s
  std::string instruction;
  std::string pieces;
  switch (helper.kind) {
    case BulkHelper::Kind::fill:
      instruction = "\xfc\x0b\0"sv;
      pieces = join({to_end, in_memory, if_so, forwards(instruction, false), end});
      break;
    case BulkHelper::Kind::copy:
      instruction = "\xfc\x0a\0\0"sv;
      pieces = join({to_end, in_memory, from_end, in_memory, both, if_so, is_upwards, if_so,
                     forwards(instruction, true), otherwise, backwards(instruction), end, end});
      break;
    case BulkHelper::Kind::init: {
      instruction = "\xfc\x08"sv;
      add_u32(helper.segment, instruction);
      instruction += '\0';
      std::string in_segment = "\x42";  // <= its size
      add_s64(static_cast<std::int64_t>(segment_bytes), in_segment);
      in_segment += '\x58';
      pieces = join({to_end, in_memory, from_end, in_segment, both, if_so, forwards(instruction, true), end});
      break;
    }
    case BulkHelper::Kind::array_length: {
      std::string text = "\x20\0\x41"s;  // More than there may be: unreachable; else as it was.
      add_s64(array_elements_max, text);
      return text + "\x4b\4\x40\0\x0b\x20\0"s;
    }
  }
  return join({is_long, if_so, pieces, end, to_and_from, all_of_it, instruction});
}

std::string_view bulk_name(const BulkHelper& helper) {
  switch (helper.kind) {
    case BulkHelper::Kind::fill:
      return "memory.fill";
    case BulkHelper::Kind::copy:
      return "memory.copy";
    case BulkHelper::Kind::init:
      return "memory.init";
    case BulkHelper::Kind::array_length:
      return "array_of_more_than_1048576_elements";
  }
  return {};
}

}  // namespace canopy::wire
