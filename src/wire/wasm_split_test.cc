#include "wire/wasm_split.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "wire/wasm_inspect.h"

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

std::string section(char id, std::string_view body) {
  return std::string(1, id) + static_cast<char>(body.size()) + std::string(body);
}

constexpr std::string_view header = "\0asm\1\0\0\0"sv;
constexpr std::string_view type = "\1\x60\0\0"sv;
constexpr std::string_view import_of_function = "\1\1a\1b\0\0"sv;
constexpr std::string_view one_function = "\1\0"sv;
constexpr std::string_view memory_of_two = "\1\0\2"sv;
constexpr std::string_view exports = "\2\6memory\2\0\1f\0\1"sv;
constexpr std::string_view code = "\1\2\0\x0b"sv;
constexpr std::string_view data = "\1\0\x41\x08\x0b\3abc"sv;

std::string module(std::string_view memory = memory_of_two, const std::string& extra = "") {
  std::string wasm(header);
  wasm += section(1, type) + section(2, import_of_function) + section(3, one_function);
  if (!memory.empty()) wasm += section(5, memory);
  return wasm + section(7, exports) + extra + section(10, code) + section(11, data);
}

TEST(WasmSplit, CodeImportsTheMemoryThatTheImageExports) {
  const auto split = split_memory(module());
  ASSERT_TRUE(split) << split.error().message;
  const auto own = inspect_wasm(split->code);
  ASSERT_TRUE(own) << own.error().message;
  ASSERT_EQ(own->imports.size(), 2U);
  EXPECT_EQ(own->imports[0].module, split_memory_module);
  EXPECT_EQ(own->imports[0].name, split_memory_name);
  EXPECT_EQ(own->imports[0].kind, ExternKind::memory);
  EXPECT_EQ(own->imports[1].name, "b");
  ASSERT_EQ(own->memories.size(), 1U);
  EXPECT_TRUE(own->memories[0].imported);
  EXPECT_EQ(own->memories[0].pages, 2U);
  EXPECT_EQ(own->function_count, 2U);
  EXPECT_EQ(split->code.find("abc"), std::string::npos);

  const auto image = inspect_wasm(split->image);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_TRUE(image->imports.empty());
  ASSERT_EQ(image->memories.size(), 1U);
  EXPECT_EQ(image->memories[0].pages, 2U);
  ASSERT_EQ(image->exports.size(), 1U);
  EXPECT_EQ(image->exports[0].name, split_memory_name);
  EXPECT_NE(split->image.find("abc"), std::string::npos);
}

TEST(WasmSplit, AddsAnImportSectionWhereThereIsNone) {
  const std::string wasm = std::string(header) + section(1, type) + section(3, one_function) +
                           section(5, memory_of_two) + section(10, code);
  const auto split = split_memory(wasm);
  ASSERT_TRUE(split) << split.error().message;
  const auto own = inspect_wasm(split->code);
  ASSERT_TRUE(own) << own.error().message;
  ASSERT_EQ(own->imports.size(), 1U);
  EXPECT_EQ(own->imports[0].kind, ExternKind::memory);
}

TEST(WasmSplit, RefusesWhatItCannotPart) {
  const auto why = [](std::string_view wasm) {
    const auto split = split_memory(wasm);
    return split ? "split" : split.error().message;
  };
  EXPECT_NE(why("no module").find("no WebAssembly"), std::string::npos);
  EXPECT_NE(why(module("")).find("no memory of its own"), std::string::npos);
  EXPECT_NE(why(module("\2\0\1\0\1"sv)).find("not one memory"), std::string::npos);
  EXPECT_NE(why(module(memory_of_two, section(8, "\1"))).find("start function"), std::string::npos);
  const auto imports_one = section(2, "\1\1a\1m\2\0\1"sv);
  EXPECT_NE(why(std::string(header) + imports_one).find("no memory of its own"), std::string::npos);
  EXPECT_NE(why(std::string(header) + imports_one + section(5, memory_of_two)).find("not one memory"),
            std::string::npos);
  const std::string bare = std::string(header) + section(5, memory_of_two);
  EXPECT_EQ(why(bare + section(11, data)), "split");
  EXPECT_NE(why(bare + section(11, "\1\1\3abc"sv)).find("at a constant"), std::string::npos);  // Passive.
  EXPECT_NE(why(bare + section(11, "\1\0\x23\0\x0b\3abc"sv)).find("at a constant"), std::string::npos);
  const std::string whole = module();
  for (std::size_t size = header.size(); size < whole.size(); ++size) {
    (void)split_memory(std::string_view(whole).substr(0, size));  // Whatever it answers, it ends.
  }
  EXPECT_NE(why(std::string(header) + "\5\x7f").find("byte"), std::string::npos);
}

TEST(WasmSplit, AnImageHoldsTheMemoryAndNotItsZeros) {
  constexpr std::size_t page = 65'536;
  std::vector<std::byte> memory(3 * page);
  memory[10] = std::byte{1};
  memory[500] = std::byte{2};                // Near: in the same segment.
  std::memcpy(&memory[2 * page], "far", 3);  // Far: in one of its own.
  const std::string image = write_image(memory);
  EXPECT_LT(image.size(), 1000U);
  const auto read = inspect_wasm(image);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->memories.size(), 1U);
  EXPECT_EQ(read->memories[0].pages, 3U);
  EXPECT_NE(image.find("far"), std::string::npos);
  EXPECT_NE(image.find("\x41\x80\x80\x08\x0b\3far"sv), std::string::npos);  // At 131072.
}

TEST(WasmSplit, AnImageOfNothingIsAModuleToo) {
  const std::vector<std::byte> memory(65'536);
  const std::string image = write_image(memory);
  const auto read = inspect_wasm(image);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->memories[0].pages, 1U);
}

}  // namespace
}  // namespace canopy::wire
