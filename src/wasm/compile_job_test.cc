#include "wasm/compile_job.h"

#include <gtest/gtest.h>

namespace canopy::wasm {
namespace {

TEST(CompileJob, ReadsBackWhatItWrites) {
  const CompileJob job{.code = "/a b/c%\n",
                       .compiled = "/out",
                       .code_folder = "/code",
                       .memory_bytes = 7,
                       .timeout = std::chrono::seconds(3),
                       .function_memory_bytes = 9,
                       .files = {{"dir/a file", "abc", 12}},
                       .entry_names = {"_initialize", "odd name\x01"}};
  const auto read = read_job(write_job(job));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->code, job.code);
  EXPECT_EQ(read->files, job.files);
  EXPECT_EQ(read->entry_names, job.entry_names);
  EXPECT_EQ(read->timeout, job.timeout);
}

TEST(CompileJob, RefusesWhatMakesNoSense) {
  for (const char* text :
       {"", "code /a\n", "code /a\ncompiled /b\nentry x", "nonsense 1\n", "memory x\n", "code %4\n"}) {
    EXPECT_FALSE(read_job(text)) << text;
  }
}

TEST(ModulePlan, ReadsBackWhatItWrites) {
  const ModulePlan plan{.entry_names = {"a", "b"},
                        .preinitialised = true,
                        .compiled_bytes = 77,
                        .compiled_checksum = 5,
                        .note = "why not"};
  const auto read = parse_plan(write_plan(plan));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->entry_names, plan.entry_names);
  EXPECT_TRUE(read->preinitialised);
  EXPECT_EQ(read->compiled_bytes, 77U);
  EXPECT_EQ(read->compiled_checksum, 5U);
  EXPECT_EQ(read->note, "why not");
}

TEST(ModulePlan, RefusesOneInWhichABitFlipped) {
  const ModulePlan plan{.entry_names = {"handle"}, .compiled_bytes = 77, .compiled_checksum = 5, .note = {}};
  std::string text = write_plan(plan);
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    const auto mask = static_cast<char>(1 << bit % 8);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
    EXPECT_FALSE(parse_plan(text)) << text;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
  }
  EXPECT_TRUE(parse_plan(text));
}

TEST(ModulePlan, RefusesATornOne) { EXPECT_FALSE(parse_plan("preinitialised 1\nentry x")); }

}  // namespace
}  // namespace canopy::wasm
