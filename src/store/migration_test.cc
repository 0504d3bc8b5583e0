// A data folder of format 0 or 1 becomes one of format 2: all at once or not at all, with a copy of what it
// was.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "store/catalog.h"
#include "store/child.h"
#include "store/sample.h"
#include "store/schema.h"
#include "store/sqlite.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Migration : public testing::Test {
 protected:
  // `settings` come before the tables: PRAGMAs.
  void make_format_0(const std::string& settings = {}) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << "";
    auto database = *Database::open(file());
    database.set_checkpoint_on_close(false);
    ASSERT_TRUE(database.execute(settings));
    ASSERT_TRUE(database.execute(format_0_tables()));
    const std::string digest = "'" + sha256_hex(sample_code) + "'";
    ASSERT_TRUE(
        database.execute("INSERT INTO functions VALUES ('demo', 'hello', 2), ('demo', 'other', 1);"
                         "INSERT INTO versions VALUES "
                         "('demo', 'hello', 1, " +
                         digest +
                         ", 11, 'wasm', 1000, 250, 5, 2000, 1700000000),"
                         "('demo', 'hello', 2, " +
                         digest +
                         ", 11, 'wasm', 1001, 251, 6, 2001, 1700000001),"
                         "('demo', 'hello', 4, " +
                         digest +
                         ", 11, 'wasm', 1002, 252, 7, 2002, 1700000002),"
                         "('demo', 'other', 1, " +
                         digest +
                         ", 11, 'wasm', 1003, 253, 8, 2003, 1700000003);"
                         "INSERT INTO env VALUES ('demo', 'hello', 2, 'COLOUR', 'green')"));
  }

  void expect_functions(const Catalog& catalog) const {
    const auto snapshot = catalog.snapshot();
    ASSERT_EQ(snapshot->functions.size(), 2);
    const Function& hello = *snapshot->functions.at(*parse_function_name("demo/hello"));
    Limits limits;  // What format 0 did not know is as for a new function.
    limits.memory_bytes = 1001;
    limits.timeout = std::chrono::milliseconds(251);
    limits.concurrency = 6;
    limits.output_bytes = 2001;
    EXPECT_EQ(hello.version, 2);
    EXPECT_EQ(hello.limits, limits);
    EXPECT_EQ(hello.env, (std::map<std::string, std::string>{{"COLOUR", "green"}}));
    EXPECT_TRUE(hello.files.empty());
    EXPECT_EQ(hello.created, WallTime(std::chrono::seconds(1700000001)));
    EXPECT_EQ(catalog.versions(hello.name)->size(), 3);
    EXPECT_EQ(content(temp.path() / "format"), "2\n");
  }

  void expect_copy() const {
    auto copy = *Database::open(fs::canonical(temp.path()) / "catalog.db.before-format-2");
    EXPECT_EQ(*copy.number("PRAGMA user_version"), 1);
    EXPECT_EQ(*copy.number("SELECT count(*) FROM versions"), 4);
    EXPECT_EQ(*copy.text("SELECT value FROM env"), "green");
    EXPECT_EQ(static_cast<unsigned>(fs::status(temp.path() / "catalog.db.before-format-2").permissions()),
              0600U);
    EXPECT_FALSE(fs::exists(temp.path() / "catalog.db.before-format-2.new"));
  }

  fs::path file() const { return fs::canonical(temp.path()) / "catalog.db"; }

  FakeClock clock;
  TempFolder temp = quick_folder();
};

TEST_F(Migration, KeepsEveryFunctionAndACopy) {
  make_format_0();
  {
    const auto catalog = open_catalog(temp.path(), clock);
    ASSERT_TRUE(catalog) << catalog.error().message;
    expect_functions(**catalog);
  }
  expect_copy();
  const auto again = open_catalog(temp.path(), clock);
  ASSERT_TRUE(again) << again.error().message;
  expect_functions(**again);
}

TEST_F(Migration, CopiesWhatOnlyTheWriteAheadLogHolds) {
  make_format_0("PRAGMA journal_mode = WAL");
  ASSERT_GT(fs::file_size(temp.path() / "catalog.db-wal"), 0);
  const auto catalog = open_catalog(temp.path(), clock);
  ASSERT_TRUE(catalog) << catalog.error().message;
  expect_functions(**catalog);
  expect_copy();
}

TEST_F(Migration, NumbersGoOnAfterTheHighest) {
  make_format_0();
  const auto catalog = *open_catalog(temp.path(), clock);
  EXPECT_EQ(deploy(*catalog, sample_function("demo/hello"))->function->version, 5);
}

TEST_F(Migration, ACopyOfAnEarlierAttemptIsReplaced) {
  make_format_0();
  std::ofstream(temp.path() / "catalog.db.before-format-2") << "half";
  std::ofstream(temp.path() / "catalog.db.before-format-2.new") << "half";
  ASSERT_TRUE(open_catalog(temp.path(), clock));
  expect_copy();
}

TEST_F(Migration, GoesOnWhereTheFormatFileWasNotWrittenYet) {
  make_format_0();
  {
    ASSERT_TRUE(open_catalog(temp.path(), clock));
  }
  fs::remove(temp.path() / "format");
  const auto catalog = open_catalog(temp.path(), clock);
  ASSERT_TRUE(catalog) << catalog.error().message;
  expect_functions(**catalog);
}

// Format 1 is what format 2 is without its users.
TEST_F(Migration, FormatOneBecomesFormatTwoWithACopyBeside) {
  {
    const auto catalog = *open_catalog(temp.path(), clock);
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello")));
  }
  const auto make_format_1 = [this] {
    auto database = *Database::open(file());
    ASSERT_TRUE(
        database.execute("DROP TABLE namespaces; DROP TABLE keys; DROP TABLE users; DROP TABLE "
                         "secrets; DROP TABLE usage; DROP TABLE audit; PRAGMA user_version = 2"));
    std::ofstream(temp.path() / "format") << "1\n";
  };
  make_format_1();
  {
    const auto catalog = open_catalog(temp.path(), clock);
    ASSERT_TRUE(catalog) << catalog.error().message;
    EXPECT_TRUE((*catalog)->snapshot()->functions.contains(*parse_function_name("demo/hello")));
    EXPECT_TRUE((*catalog)->users().snapshot()->users.empty());
    EXPECT_EQ(content(temp.path() / "format"), "2\n");
    ASSERT_TRUE(deploy(**catalog, sample_function("demo/audited")));
  }
  {
    auto copy = *Database::open(fs::canonical(temp.path()) / "catalog.db.before-format-2");
    EXPECT_EQ(*copy.number("PRAGMA user_version"), 2);
    EXPECT_EQ(*copy.number("SELECT count(*) FROM versions"), 1);
  }
  make_format_1();
  std::ofstream(temp.path() / "format") << "2\n";  // What the folder says and what the file is differ.
  EXPECT_EQ(open_catalog(temp.path(), clock).error().code, Code::refused);
}

TEST_F(Migration, RefusesRowsThatBelongToNothing) {
  make_format_0();
  {
    auto database = *Database::open(file());
    ASSERT_TRUE(database.execute("UPDATE functions SET current = 3 WHERE name = 'hello'"));
  }
  const std::string before = content(file());
  const auto catalog = open_catalog(temp.path(), clock);
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, Code::refused);
  EXPECT_NE(catalog.error().message.find("cannot be brought to format 2"), std::string::npos);
  EXPECT_EQ(content(file()), before);
  EXPECT_FALSE(fs::exists(temp.path() / "format"));
}

TEST_F(Migration, RefusesAFolderThatSaysItIsDoneAlready) {
  make_format_0();
  std::ofstream(temp.path() / "format") << "1\n";
  const auto catalog = open_catalog(temp.path(), clock);
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, Code::refused);
}

// Whichever write finds no room: the folder is still of format 0, or wholly of format 2.
TEST_F(Migration, OnAFullDiskChangesNothingAndCanBeTriedAgain) {
  make_format_0();
  int failed = 0;
  for (rlim_t size = 0; size < 80'000; size += 3000) {
    const int code = run_in_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{.rlim_cur = size, .rlim_max = size};
      if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
      const auto catalog = open_catalog(temp.path(), clock);
      return catalog ? 0 : catalog.error().code == Code::unavailable ? 1 : 3;
    });
    ASSERT_TRUE(code == 0 || code == 1) << code << " at " << size;
    if (code == 0) break;
    ++failed;
  }
  EXPECT_GT(failed, 3);
  const auto catalog = open_catalog(temp.path(), clock);
  ASSERT_TRUE(catalog) << catalog.error().message;
  expect_functions(**catalog);
  expect_copy();
}

}  // namespace
}  // namespace canopy::store
