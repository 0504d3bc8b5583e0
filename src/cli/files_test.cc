#include "cli/files.h"

#include <gtest/gtest.h>

#include "cli/build.h"
#include "cli/environment.h"
#include "cli/shell.h"

namespace canopy::cli {
namespace {

TEST(Files, AreReadWhole) {
  Shell shell;
  const std::string content("a\0b\n", 4);
  EXPECT_EQ(read_file(shell.file("deep/er/f", content)), content);
  EXPECT_EQ(read_file(shell.file("empty", "")), "");
}

TEST(Files, ErrorsSayWhich) {
  Shell shell;
  EXPECT_EQ(read_file(shell.path("none")).error().message, "there is no file " + shell.path("none"));
  EXPECT_EQ(read_file(shell.folder()).error().code, Code::invalid);
  EXPECT_EQ(read_file(shell.file("long", "12345"), 4).error().code, Code::too_large);
  EXPECT_EQ(read_file(shell.path("long"), 5), "12345");
  const auto below_a_file = write_file(shell.path("long/x"), "");
  ASSERT_FALSE(below_a_file);
  EXPECT_EQ(below_a_file.error().code, Code::unavailable);
}

TEST(Files, AreReplacedWhole) {
  Shell shell;
  const auto file = shell.file("f", "a longer content");
  ASSERT_TRUE(write_file(file, "short"));
  EXPECT_EQ(read_file(file), "short");
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shell.folder()))
    count += entry.exists() ? 1 : 0;
  EXPECT_EQ(count, 1U);  // Nothing half-written is left.
}

TEST(TempFolder, GoesWithItsOwner) {
  std::filesystem::path path;
  {
    const auto folder = TempFolder::make(Environment());
    ASSERT_TRUE(folder);
    path = folder->path();
    ASSERT_TRUE(write_file(path / "a/b", "x"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  const Environment nowhere({"TMPDIR=/no/such/folder"});
  EXPECT_NE(TempFolder::make(nowhere).error().message.find("set TMPDIR"), std::string::npos);
}

TEST(TempFolder, RemovesWhatEndedProcessesLeft) {
  Shell shell;
  shell.file("canopy-work-ended1/deep/file", "x");
  shell.file("canopy-other/file", "x");
  shell.file("canopy-work-file", "x");
  std::filesystem::create_directory(shell.path("elsewhere"));
  std::filesystem::create_directory_symlink("elsewhere", shell.path("canopy-work-link"));
  const std::string variable = "TMPDIR=" + shell.folder().string();
  const Environment environment({variable});

  const auto first = TempFolder::make(environment);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_FALSE(std::filesystem::exists(shell.path("canopy-work-ended1")));
  EXPECT_TRUE(std::filesystem::exists(shell.path("canopy-other/file")));
  EXPECT_TRUE(std::filesystem::exists(shell.path("canopy-work-file")));
  EXPECT_TRUE(std::filesystem::exists(shell.path("canopy-work-link")));
  const auto second = TempFolder::make(environment);
  ASSERT_TRUE(second);
  EXPECT_TRUE(std::filesystem::exists(first->path()));  // Its owner lives.
}

TEST(TempFolder, IsLockedByItsNewOwnerOnceMoved) {
  Shell shell;
  const std::string variable = "TMPDIR=" + shell.folder().string();
  auto made = TempFolder::make(Environment({variable}));
  ASSERT_TRUE(made);
  const TempFolder moved = *std::move(made);
  made = fail(Code::internal, "gone");
  ASSERT_TRUE(TempFolder::make(Environment({variable})));
  EXPECT_TRUE(std::filesystem::exists(moved.path()));
}

TEST(Environment, FindsWholeNames) {
  const Environment environment({"AB=1", "A=2=3", "EMPTY=", "ODD"});
  EXPECT_EQ(environment.get("A"), "2=3");
  EXPECT_EQ(environment.get("AB"), "1");
  EXPECT_EQ(environment.get("EMPTY"), "");
  EXPECT_EQ(environment.get("ODD"), "");
  EXPECT_EQ(environment.get("B"), "");
}

TEST(Environment, SaysWhereTheCacheIs) {
  EXPECT_EQ(cache_folder(Environment({"CANOPY_CACHE=/c", "XDG_CACHE_HOME=/x", "HOME=/h"})), "/c");
  EXPECT_EQ(cache_folder(Environment({"XDG_CACHE_HOME=/x", "HOME=/h"})), "/x/canopy");
  EXPECT_EQ(cache_folder(Environment({"HOME=/h"})), "/h/.cache/canopy");
  EXPECT_EQ(cache_folder(Environment()), "");
  EXPECT_EQ(sysroot_folder(Environment({"CANOPY_SYSROOT=/s", "HOME=/h"})), "/s");
  EXPECT_EQ(sysroot_folder(Environment({"HOME=/h"})), "/h/.cache/canopy/sysroot/current");
}

TEST(LanguageOf, GoesByExtensionAndProject) {
  Shell shell;
  shell.file("imp/imp.js", "");
  const auto scripts = language_of(shell.file("imp/x.js", "").parent_path());
  ASSERT_FALSE(scripts);
  EXPECT_NE(scripts.error().message.find("index, function or main"), std::string::npos);
  shell.file("two/one.py", "");
  const auto python = language_of(shell.file("two/other.py", "").parent_path());
  ASSERT_FALSE(python);
  EXPECT_NE(python.error().message.find("handler.py, main.py"), std::string::npos);
  EXPECT_EQ(language_of(shell.file("a.c", "")), Language::c);
  EXPECT_EQ(language_of(shell.file("a.cpp", "")), Language::c);
  EXPECT_EQ(language_of(shell.file("a.go", "")), Language::go);
  EXPECT_EQ(language_of(shell.file("a.rs", "")), Language::rust);
  EXPECT_EQ(language_of(shell.file("a.wasm", "")), Language::wasm);
  EXPECT_EQ(language_of(shell.file("a.py", "")), Language::python);
  EXPECT_EQ(language_of(shell.file("p/handler.py", "").parent_path()), Language::python);
  EXPECT_EQ(language_of(shell.file("r/Cargo.toml", "").parent_path()), Language::rust);
  EXPECT_EQ(language_of(shell.file("g/go.mod", "").parent_path()), Language::go);
  EXPECT_EQ(language_of(shell.file("c/src/a.cc", "").parent_path().parent_path()), Language::c);
}

TEST(LanguageOf, SaysWhatItCannotBuild) {
  Shell shell;
  EXPECT_EQ(language_of(shell.path("none.c")).error().code, Code::not_found);
  EXPECT_NE(language_of(shell.file("a.txt", "")).error().message.find("no function can be built"),
            std::string::npos);
  EXPECT_NE(language_of(shell.file("r/a.rs", "").parent_path()).error().message.find("no Cargo.toml"),
            std::string::npos);
  EXPECT_NE(language_of(shell.folder()).error().message.size(), 0U);
}

TEST(Build, SaysWhatIsMissing) {
  Shell shell;
  const std::string path = shell.file("a.c", "int main(void) { return 0; }\n").string();
  shell.set("PATH=" + shell.folder().string());
  const Ended without_compiler = shell.run({"build", path});
  EXPECT_EQ(without_compiler.status, 1);
  EXPECT_NE(without_compiler.err.find("need clang-22; run `make deps`"), std::string::npos)
      << without_compiler.err;
  for (const std::string name : {"clang-22", "clang++-22"}) {
    std::filesystem::permissions(shell.file(name, "#!/bin/sh\n"), std::filesystem::perms::owner_all);
  }
  shell.set("CANOPY_SYSROOT=" + shell.path("nowhere"));
  const Ended without_libraries = shell.run({"build", path});
  EXPECT_EQ(without_libraries.status, 1);
  EXPECT_EQ(without_libraries.err, "canopy: the libraries for functions in C and C++ are not at " +
                                       shell.path("nowhere") +
                                       "; run `make deps` in Canopy's source, or set CANOPY_SYSROOT\n");
  EXPECT_NE(shell.run({"build", shell.file("a.go", "").string()}).err.find("need the Go compiler"),
            std::string::npos);
  EXPECT_NE(shell.run({"build", shell.file("a.rs", "").string()}).err.find("need rustc"), std::string::npos);
}

TEST(Build, PassesModulesOn) {
  Shell shell;
  const std::string from = shell.file("m.wasm", std::string("\0asm", 4)).string();
  const Ended ended = shell.run({"build", from, "-o", shell.path("out.wasm")});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, shell.path("out.wasm") + "  4 B\n");
  EXPECT_EQ(read_file(shell.path("out.wasm")), std::string("\0asm", 4));
}

}  // namespace
}  // namespace canopy::cli
