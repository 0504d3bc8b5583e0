#include "cli/watch.h"

#include <gtest/gtest.h>

#include "cli/shell.h"

namespace canopy::cli {
namespace {

TEST(Watcher, SeesWhatChanges) {
  Shell shell;
  shell.file("src/a.c", "1");
  auto watcher = Watcher::watch(shell.folder());
  ASSERT_TRUE(watcher) << watcher.error().message;
  EXPECT_FALSE(watcher->take());
  shell.file("src/a.c", "2");
  EXPECT_TRUE(watcher->settle());
  EXPECT_FALSE(watcher->take());
  std::filesystem::remove(shell.path("src/a.c"));
  EXPECT_TRUE(watcher->settle());
}

TEST(Watcher, SeesIntoNewFolders) {
  Shell shell;
  auto watcher = Watcher::watch(shell.folder());
  ASSERT_TRUE(watcher);
  std::filesystem::create_directories(shell.path("new"));
  EXPECT_TRUE(watcher->settle());
  shell.file("new/a.c", "1");
  EXPECT_TRUE(watcher->settle());
}

TEST(Watcher, PassesOverWhatBuildsAndEditorsLeave) {
  Shell shell;
  for (const std::string name : {".git/index", "node_modules/x/y.js", "target/debug/x"})
    shell.file(name, "1");
  auto watcher = Watcher::watch(shell.folder());
  ASSERT_TRUE(watcher);
  for (const std::string name :
       {".git/index", "node_modules/x/y.js", "target/debug/x", "out.wasm", "a.o", ".a.c.swp"}) {
    shell.file(name, "2");
  }
  EXPECT_FALSE(watcher->settle());
}

TEST(Watcher, AFileIsWatchedWithWhatIsBesideIt) {
  Shell shell;
  const auto file = shell.file("a.c", "1");
  auto watcher = Watcher::watch(file);
  ASSERT_TRUE(watcher);
  shell.file("b.h", "1");
  EXPECT_TRUE(watcher->settle());
}

TEST(Watcher, SaysWhatIsWorthALook) {
  for (const std::string_view name : {"a.c", "Makefile", "canopy.yaml", "4913a", "a.wasm.c"}) {
    EXPECT_TRUE(is_worth_a_look(name)) << name;
  }
  for (const std::string_view name : {"", ".a.c.swp", "a.c~", "a.wasm", "a.o", "4913", "node_modules",
                                      "target", "__pycache__", ".git", "x.tmp"}) {
    EXPECT_FALSE(is_worth_a_look(name)) << name;
  }
}

}  // namespace
}  // namespace canopy::cli
