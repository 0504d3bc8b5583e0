#include "cli/source_scan.h"

#include <gtest/gtest.h>

namespace canopy::cli {
namespace {

SourceHints scan(std::string_view text) {
  auto hints = scan_c(text, "f.cc");
  EXPECT_TRUE(hints) << hints.error().message;
  return hints ? *std::move(hints) : SourceHints();
}

TEST(SourceScan, AProgramIsACommand) {
  EXPECT_FALSE(scan("int main() { return 0; }\n").reactor);
  EXPECT_FALSE(scan("").reactor);
}

TEST(SourceScan, AHandlerMakesAReactor) {
  EXPECT_TRUE(scan("#include <canopy.h>\nCANOPY_HANDLER(f) { return 0; }\n").reactor);
  EXPECT_TRUE(scan("CANOPY_HANDLER  ( f ) { return 0; }").reactor);
}

TEST(SourceScan, WhatIsNotCodeIsNoHandler) {
  EXPECT_FALSE(scan("// CANOPY_HANDLER(f)\n").reactor);
  EXPECT_FALSE(scan("/* CANOPY_HANDLER(f)\n CANOPY_HANDLER(g) */ int main() {}\n").reactor);
  EXPECT_FALSE(scan("const char* text = \"CANOPY_HANDLER(f)\";\n").reactor);
  EXPECT_FALSE(scan("const char* text = \"\\\" CANOPY_HANDLER(f)\";\n").reactor);
  EXPECT_FALSE(scan("auto text = R\"x(\" CANOPY_HANDLER(f) )x\";\n").reactor);
  EXPECT_FALSE(scan("#define CANOPY_HANDLER(f) int f()\n").reactor);
  EXPECT_FALSE(scan("# ifdef CANOPY_HANDLER (\n").reactor);
  EXPECT_FALSE(scan("MY_CANOPY_HANDLER(f) {}\nCANOPY_HANDLERS(f) {}\nint CANOPY_HANDLER;\n").reactor);
}

TEST(SourceScan, CodeAfterWhatIsNotCodeCounts) {
  EXPECT_TRUE(scan("const char c = '\"'; /* \" */ CANOPY_HANDLER(f) {}\n").reactor);
  EXPECT_TRUE(scan("const char c = '\\''; CANOPY_HANDLER(f) {}\n").reactor);
  EXPECT_TRUE(scan("int n = 1'000'000; CANOPY_HANDLER(f) {}\n").reactor);
  EXPECT_TRUE(scan("auto text = R\"(\")\"; CANOPY_HANDLER(f) {}\n").reactor);
}

TEST(SourceScan, ALineDecidesTheShape) {
  EXPECT_TRUE(scan("// canopy: reactor\nint main() {}\n").reactor);
  EXPECT_FALSE(scan("  // canopy: command\nCANOPY_HANDLER(f) {}\n").reactor);
}

TEST(SourceScan, LinesGiveFlags) {
  const auto hints = scan("// canopy: flags -O3\t-msimd128  -DNAME=x\nint main() {}\n// canopy: flags -g\n");
  EXPECT_EQ(hints.flags, (std::vector<std::string>{"-O3", "-msimd128", "-DNAME=x", "-g"}));
  EXPECT_TRUE(hints.exceptions);
  EXPECT_FALSE(scan("// canopy: no-exceptions\n").exceptions);
}

TEST(SourceScan, AnUnknownLineIsRefusedWithItsPlace) {
  const auto wrong = scan_c("int x;\n// canopy: reacter\n", "dir/f.cc");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::invalid);
  EXPECT_EQ(
      wrong.error().message,
      "dir/f.cc:2: '// canopy: reacter' is none of reactor, command, no-exceptions, flags; did you mean "
      "'reactor'?");
  EXPECT_FALSE(scan_c("// canopy:\n", "f.c"));
}

TEST(SourceScan, BrokenSourceIsNoTrouble) {
  for (const std::string_view text :
       {"\"", "'", "/*", "//", "R\"", "R\"(", "R\"x(y", "\"\\", "CANOPY_HANDLER", "'\\"}) {
    EXPECT_FALSE(scan(text).reactor) << text;
  }
}

TEST(SourceScan, FilesAddUp) {
  SourceHints all;
  all.add({.reactor = true, .exceptions = true, .flags = {"-a"}});
  all.add({.reactor = false, .exceptions = false, .flags = {"-b"}});
  EXPECT_TRUE(all.reactor);
  EXPECT_FALSE(all.exceptions);
  EXPECT_EQ(all.flags, (std::vector<std::string>{"-a", "-b"}));
}

TEST(SourceScan, GoSaysItAtTheBeginningOfALine) {
  EXPECT_TRUE(is_go_reactor("package main\n\n//go:wasmexport canopy_handle\nfunc handle() int32 {\n"));
  EXPECT_TRUE(is_go_reactor("//go:wasmexport canopy_handle"));
  EXPECT_FALSE(is_go_reactor("package main\n // //go:wasmexport canopy_handle\n"));
  EXPECT_FALSE(is_go_reactor("//go:wasmexport canopy_handle_more\n"));
  EXPECT_FALSE(is_go_reactor("//go:wasmexport handle\n"));
  EXPECT_FALSE(is_go_reactor(""));
  EXPECT_TRUE(is_go_reactor("package main\n\nimport (\n\t\"canopy/function\"\n)\n")) << "the SDK exports it";
  EXPECT_FALSE(is_go_reactor("package main\n\nimport (\n\t\"canopy/functions\"\n)\n"));
}

}  // namespace
}  // namespace canopy::cli
