#include "wire/wasm_inspect.h"

#include <array>
#include <deque>
#include <utility>

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

// A module is written down as its sections.
std::string number(std::uint64_t value) {
  std::string out;
  do {
    const auto low = static_cast<unsigned char>(value & 0x7FU);
    value >>= 7U;
    out += static_cast<char>(value == 0 ? low : low | 0x80U);
  } while (value != 0);
  return out;
}

std::string text(std::string_view value) { return number(value.size()) + std::string(value); }

std::string list(const std::vector<std::string>& items) {
  std::string out = number(items.size());
  for (const std::string& item : items) out += item;
  return out;
}

std::string section(int id, const std::string& content) { return static_cast<char>(id) + text(content); }

std::string module_of(const std::string& sections) { return std::string("\0asm\1\0\0\0"sv) + sections; }

const std::string function_type = std::string(1, '\0');
std::string import_function(std::string_view module, std::string_view name) {
  return text(module) + text(name) + std::string(1, '\0') + number(0);
}
std::string exported(std::string_view name, int kind, std::uint64_t index) {
  return text(name) + static_cast<char>(kind) + number(index);
}
std::string function_section(std::size_t count) {
  return section(3, list(std::vector<std::string>(count, function_type)));
}
std::string exporting(std::string_view name) {
  return module_of(function_section(1) + section(7, list({exported(name, 0, 0)})));
}

// A module's views point into its bytes, so those of all tests stay until the end.
std::string_view kept(std::string bytes) {
  static std::deque<std::string> all;
  return all.emplace_back(std::move(bytes));
}

std::string refusal(std::string_view bytes) {
  const auto module = inspect_wasm(bytes);
  if (module) return "";
  EXPECT_EQ(module.error().code, Code::refused);
  return module.error().message;
}

void expect_refusal(std::string_view bytes, std::string_view part) {
  EXPECT_NE(refusal(bytes).find(part), std::string::npos)
      << "'" << refusal(bytes) << "' lacks '" << part << "'";
}

TEST(InspectWasm, ReadsTheSmallestModule) {
  const auto module = inspect_wasm(kept(module_of("")));
  ASSERT_TRUE(module);
  EXPECT_TRUE(module->imports.empty());
  EXPECT_TRUE(module->memories.empty());
  EXPECT_EQ(module->shape(), WasmShape::none);
  EXPECT_FALSE(module->start_function);
}

TEST(InspectWasm, ListsImportsOfEachKind) {
  const std::string bytes = module_of(section(
      2, list({import_function("env", "f"), text("env") + text("t") + "\x01\x70" + std::string("\0\x05", 2),
               text("env") + text("m") + "\x02\x01\x02\x09", text("env") + text("g") + "\x03\x7F\x01",
               text("env") + text("x") + "\x04" + std::string("\0\0", 2)})));
  const auto module = inspect_wasm(bytes);
  ASSERT_TRUE(module) << module.error().message;
  ASSERT_EQ(module->imports.size(), 5U);
  EXPECT_EQ(module->imports[0].module, "env");
  EXPECT_EQ(module->imports[0].name, "f");
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(module->imports[i].kind, static_cast<ExternKind>(i));
  EXPECT_EQ(module->function_count, 1U);
  ASSERT_EQ(module->tables.size(), 1U);
  EXPECT_EQ(module->tables[0].elements, 5U);
  EXPECT_TRUE(module->tables[0].imported);
  ASSERT_EQ(module->memories.size(), 1U);
  EXPECT_EQ(module->memories[0].pages, 2U);
  EXPECT_EQ(module->memories[0].pages_max, 9U);
  EXPECT_TRUE(module->memories[0].imported);
}

TEST(InspectWasm, ReadsMemories) {
  const auto plain = inspect_wasm(kept(module_of(section(5, list({std::string("\0\x11", 2)})))));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->memories[0].size_bytes(), 17 * 65'536U);
  EXPECT_FALSE(plain->memories[0].pages_max);
  EXPECT_FALSE(plain->memories[0].imported);

  const auto shared = inspect_wasm(kept(module_of(section(5, list({"\x03\x01\x02"})))));
  ASSERT_TRUE(shared);
  EXPECT_TRUE(shared->memories[0].shared);

  const auto wide = inspect_wasm(kept(module_of(section(5, list({"\x04" + number(1ULL << 60U)})))));
  ASSERT_TRUE(wide);
  EXPECT_TRUE(wide->memories[0].is_64);
  EXPECT_EQ(wide->memories[0].size_bytes(), ~0ULL);  // As much as it can say.

  const auto small_pages =
      inspect_wasm(kept(module_of(section(5, list({"\x08\x03" + std::string(1, '\0')})))));
  ASSERT_TRUE(small_pages);
  EXPECT_EQ(small_pages->memories[0].size_bytes(), 3U);
}

TEST(InspectWasm, RefusesMemoriesThatCannotBe) {
  expect_refusal(module_of(section(5, list({std::string(1, '\0') + number(65'537)}))), "65537 pages");
  expect_refusal(module_of(section(5, list({"\x01\x05\x04"}))), "a maximum below the initial size");
  expect_refusal(module_of(section(5, list({"\x10\x05"}))), "limits of a kind that is unknown");
  expect_refusal(module_of(section(5, list({"\x08\x05\x11"}))), "a page size that is too large");
}

TEST(InspectWasm, ReadsTablesUpToOneThatBeginsWithAnExpression) {
  const std::string plain = std::string("\x70\0\x08", 3);
  const auto two = inspect_wasm(kept(module_of(section(4, list({plain, "\x63\x70\x01\x02\x03"})))));
  ASSERT_TRUE(two) << two.error().message;
  ASSERT_EQ(two->tables.size(), 2U);
  EXPECT_EQ(two->tables[0].elements, 8U);
  EXPECT_EQ(two->tables[1].elements_max, 3U);

  const std::string with_expression = std::string("\x40\0\x70\0\x09\xD2\0\x0B", 8);
  const auto cut = inspect_wasm(kept(module_of(section(4, list({plain, with_expression, plain})))));
  ASSERT_TRUE(cut) << cut.error().message;
  ASSERT_EQ(cut->tables.size(), 2U);
  EXPECT_EQ(cut->tables[1].elements, 9U);
}

TEST(InspectWasm, KnowsACommand) {
  const auto module = inspect_wasm(kept(exporting("_start")));
  ASSERT_TRUE(module);
  EXPECT_EQ(module->shape(), WasmShape::command);
  EXPECT_EQ(module->handler(), "");
}

TEST(InspectWasm, KnowsAReactorByItsHandler) {
  EXPECT_EQ(inspect_wasm(kept(exporting("handle")))->handler(), "handle");
  EXPECT_EQ(inspect_wasm(kept(exporting("canopy_handle")))->shape(), WasmShape::reactor);
  const auto both = inspect_wasm(kept(module_of(
      function_section(3) + section(7, list({exported("handle", 0, 0), exported("canopy_handle", 0, 1),
                                             exported("_initialize", 0, 2)})))));
  ASSERT_TRUE(both);
  EXPECT_EQ(both->handler(), "canopy_handle");
  EXPECT_TRUE(both->has_initialize());
  // Initialised, and then nothing to call.
  EXPECT_EQ(inspect_wasm(kept(exporting("_initialize")))->shape(), WasmShape::none);
}

TEST(InspectWasm, TakesAModuleWithBothShapesForACommand) {
  const auto module = inspect_wasm(kept(module_of(
      function_section(1) + section(7, list({exported("handle", 0, 0), exported("_start", 0, 0)})))));
  EXPECT_EQ(module->shape(), WasmShape::command);
  EXPECT_EQ(module->handler(), "handle");
}

TEST(InspectWasm, TakesOnlyFunctionsForEntryPoints) {
  const std::string memory = section(5, list({std::string("\0\x01", 2)}));
  const auto module = inspect_wasm(kept(module_of(memory + section(7, list({exported("_start", 2, 0)})))));
  ASSERT_TRUE(module);
  EXPECT_EQ(module->shape(), WasmShape::none);
  EXPECT_EQ(module->find_function("_start"), nullptr);
}

TEST(InspectWasm, FindsTheInitExport) {
  for (const std::string_view init : {"canopy_init", "wizer.initialize", "wizer-initialize"}) {
    EXPECT_EQ(inspect_wasm(kept(exporting(init)))->init(), init);
  }
  EXPECT_EQ(inspect_wasm(kept(exporting("init")))->init(), "");
}

TEST(InspectWasm, ReadsTheStartFunction) {
  const auto module = inspect_wasm(kept(module_of(function_section(2) + section(8, number(1)))));
  ASSERT_TRUE(module);
  EXPECT_EQ(module->start_function, 1U);
  expect_refusal(module_of(function_section(1) + section(8, number(1))), "a function that is not there");
}

TEST(InspectWasm, ReadsCustomSectionsAndTheLanguage) {
  const std::string producers =
      list({text("sdk") + list({text("x") + text("1")}), text("language") + list({text("C11") + text("")})});
  const std::string bytes =
      module_of(section(0, text("linking") + "abc") + section(0, text("producers") + producers));
  const auto module = inspect_wasm(bytes);
  ASSERT_TRUE(module);
  EXPECT_EQ(module->custom_sections, (std::vector<std::string_view>{"linking", "producers"}));
  EXPECT_TRUE(module->has_custom_section("linking"));
  EXPECT_EQ(module->language, "C11");
}

TEST(InspectWasm, LetsBrokenProducersBe) {
  const std::string bytes = module_of(section(0, text("producers") + "\xFF\xFF\xFF\xFF\x0F"));
  const auto module = inspect_wasm(bytes);
  ASSERT_TRUE(module);
  EXPECT_EQ(module->language, "");
}

TEST(InspectWasm, SaysThatNothingIsThere) { expect_refusal("", "the code is empty"); }

TEST(InspectWasm, SaysThatItIsTruncated) {
  const std::string whole = module_of(section(0, text("name") + "0123456789") + function_section(1));
  for (std::size_t size = 1; size < 8; ++size) expect_refusal(whole.substr(0, size), "truncated");
  expect_refusal(whole.substr(0, 14), "a custom section, at byte 10, should have 15 bytes and has 4");
  // Wherever it is cut but between sections, it is refused.
  for (std::size_t size = 9; size < whole.size(); ++size) {
    EXPECT_EQ(refusal(whole.substr(0, size)).empty(), size == 25) << size;
  }
}

TEST(InspectWasm, SaysThatItIsAComponent) {
  expect_refusal("\0asm\x0d\0\1\0"sv, "this is a WebAssembly component");
  expect_refusal("\0asm\x0d\0\1\0rest"sv, "wasm32-wasip1");
}

TEST(InspectWasm, SaysThatTheVersionIsUnknown) { expect_refusal("\0asm\2\0\0\0"sv, "WebAssembly version 2"); }

TEST(InspectWasm, SaysWhatAForeignFileSeemsToBe) {
  struct Case {
    std::string_view bytes;
    std::string_view words;
  };
  constexpr std::array<Case, 13> cases = {{{"\x7F"
                                            "ELF\2\1\1"sv,
                                            "an ELF file"},
                                           {"MZ\x90\0"sv, "a Windows program"},
                                           {"\x1F\x8B\x08\0"sv, "gzip"},
                                           {"PK\x03\x04"sv, "a zip archive"},
                                           {"!<arch>\n"sv, "a library archive"},
                                           {"(module)"sv, "wat2wasm"},
                                           {"\n ;; first\n;;second\n (module)"sv, "wat2wasm"},
                                           {"<!DOCTYPE html>"sv, "a web page"},
                                           {"#!/bin/sh\n"sv, "a script"},
                                           {"int main() {}\n"sv, "text"},
                                           {"caf\xC3\xA9"sv, "text"},
                                           {"\0\0\0\0\0"sv, "nothing but zero bytes"},
                                           {"\x01\x02\x03\xFF"sv, "a kind unknown"}}};
  for (const Case& c : cases) {
    expect_refusal(c.bytes, "not a WebAssembly module");
    expect_refusal(c.bytes, c.words);
  }
  EXPECT_EQ(describe_foreign(""), "an empty file");
}

TEST(InspectWasm, RefusesNumbersThatAreTooLong) {
  // A section size, in six bytes, and in five of which the last has too many bits.
  expect_refusal(module_of("\x05\x80\x80\x80\x80\x80\x01"), "takes more bytes than it may");
  expect_refusal(module_of("\x05\xFF\xFF\xFF\xFF\x1F"), "does not fit in 32 bits");
  expect_refusal(module_of(section(5, "\x01\x04\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02")),
                 "does not fit in 64 bits");
}

TEST(InspectWasm, DoesNotBelieveAnnouncedCounts) {
  expect_refusal(module_of(section(2, number(1'000'000) + "abc")), "there is no room for them");
  expect_refusal(module_of(section(2, number(1'000'001))), "at most 1000000");
  expect_refusal(module_of(section(7, number(0xFFFF'FFFFU))), "at most 1000000");
  expect_refusal(module_of(section(3, number(9'999'999))), "there is no room for them");
}

TEST(InspectWasm, RefusesWhatIsMalformedAndSaysWhere) {
  expect_refusal(module_of(section(14, "")), "a section of an unknown kind: 14");
  expect_refusal(module_of(section(7, list({})) + section(2, list({}))),
                 "the import section is out of place");
  expect_refusal(module_of(section(5, list({})) + section(5, list({}))),
                 "the memory section is out of place");
  expect_refusal(module_of(section(5, list({}) + "x")),
                 "the memory section, at byte 11: bytes are left over");
  expect_refusal(module_of(section(0,
                                   "\x05"
                                   "ab")),
                 "5 bytes are announced and 2 are there");
  expect_refusal(module_of(section(0, text("\xFF"))), "a name that is not UTF-8");
  expect_refusal(module_of(section(2, list({text("a") + text("b") + "\x07\x01"}))), "unknown: 7");
  expect_refusal(module_of(section(2, list({text("a") + text("b") + "\x03\x10\x01"}))),
                 "a type that is none");
  expect_refusal(module_of(section(2, list({text("a") + text("b") + "\x03\x7F\x04"}))), "neither fixed");
  expect_refusal(module_of(section(2, list({text("a") + text("b") + "\x04\x01\x01"}))), "a tag of a kind");
  expect_refusal(module_of(section(7, list({exported("a", 5, 0)}))),
                 "an export of a kind that is unknown: 5");
  expect_refusal(module_of(section(7, list({exported("a", 0, 0)}))), "it exports function 0 of 0");
}

TEST(InspectWasm, AllowsTheTagAndDataCountSectionsWhereTheyBelong) {
  const std::string good = module_of(section(5, list({})) + section(13, list({})) + section(6, list({})) +
                                     section(9, list({})) + section(12, number(0)) + section(10, list({})));
  EXPECT_EQ(refusal(good), "");
}

TEST(InspectWasm, BoundsCustomSections) {
  std::string many;
  for (int i = 0; i <= 10'000; ++i) many += section(0, text("x"));
  expect_refusal(module_of(many), "more than 10000 custom sections");
}

TEST(FunctionNames, AreFoundByIndex) {
  const std::string names = list({number(3) + text("main"), number(7) + text("do_work")});
  const std::string bytes =
      module_of(section(0, text("name") + section(0, text("module")) + section(1, names)));
  const auto module = inspect_wasm(bytes);
  ASSERT_TRUE(module);
  const FunctionNames found = read_function_names(*module);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found.find(3), "main");
  EXPECT_EQ(found.find(7), "do_work");
  EXPECT_FALSE(found.find(4));
  EXPECT_FALSE(FunctionNames().find(0));
}

TEST(FunctionNames, KeepWhatCouldBeReadOfABrokenSection) {
  const std::string names = number(3) + number(9) + text("last") + number(1) + text("first") + "\x02\x7F";
  const std::string bytes = module_of(section(0, text("name") + section(1, names)));
  const FunctionNames found = read_function_names(*inspect_wasm(bytes));
  EXPECT_EQ(found.find(1), "first");
  EXPECT_EQ(found.find(9), "last");
  EXPECT_EQ(found.size(), 2U);
}

TEST(ExternKind, HasNames) {
  EXPECT_EQ(name(ExternKind::function), "function");
  EXPECT_EQ(name(ExternKind::tag), "tag");
}

}  // namespace
}  // namespace canopy::wire
