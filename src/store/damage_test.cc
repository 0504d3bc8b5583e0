// What a catalog does with a file that is not as it was left: it says so, names it, leaves it as it is, and
// never begins again from nothing. And with one that is older.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "store/catalog.h"
#include "store/child.h"
#include "store/sample.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/visible.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class Damage : public testing::Test {
 protected:
  Damage() {
    {
      const auto catalog = *open_catalog(folder(), clock);
      fill(*catalog);
      seen = visible(*catalog);
    }
    sound = content(file());
  }

  static void fill(Catalog& catalog) {
    const std::string data = *catalog.put_code("a file");
    for (int i = 0; i < 12; ++i) {
      Function function = sample_function("demo/f" + std::to_string(i));
      function.files = {{.path = "data", .digest = data, .size_bytes = 6}};
      ASSERT_TRUE(deploy(catalog, function));
      function.env["MORE"] = std::string(static_cast<std::size_t>(i) * 300, 'm');
      ASSERT_TRUE(deploy(catalog, function));
    }
    ASSERT_TRUE(catalog.rollback(*parse_function_name("demo/f3"), 1));
    ASSERT_TRUE(catalog.remove(*parse_function_name("demo/f4")));
  }

  const fs::path& folder() const { return temp.path(); }
  fs::path file() const { return fs::canonical(folder()) / "catalog.db"; }

  // Refused, by name, and not a byte changed.
  void expect_refused(const std::string& words) {
    SCOPED_TRACE(words);
    const bool there = fs::exists(file());
    const std::string before = content(file());
    const auto opened = open_catalog(folder(), clock);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::refused) << opened.error().message;
    EXPECT_NE(opened.error().message.find(file().string()), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find("kept as it is"), std::string::npos) << opened.error().message;
    EXPECT_EQ(fs::exists(file()), there);
    EXPECT_EQ(content(file()), before);
  }

  FakeClock clock;
  TempFolder temp = quick_folder();
  std::string seen;
  std::string sound;
};

TEST_F(Damage, IsNotSeenWhereThereIsNone) {
  const auto opened = open_catalog(folder(), clock);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(visible(**opened), seen);
}

TEST_F(Damage, AMissingFileIsRefused) {
  fs::remove(file());
  expect_refused("is missing, but the folder was in use");
  fs::remove(folder() / "format");  // The code alone is witness enough.
  expect_refused("is missing, but the folder was in use");
}

TEST_F(Damage, AnEmptyFileIsRefused) {
  write(file(), "");
  expect_refused("is empty, but the folder was in use");
}

TEST_F(Damage, AFileThatIsNoDatabaseIsRefused) {
  write(file(), "hello, I am a text");
  expect_refused("is not a database");
  write(file(), sound.substr(1));
  expect_refused("is not a database");
  write(file(), std::string(sound.size(), '\0'));
  expect_refused("is not a database");
}

TEST_F(Damage, AnotherProgramsDatabaseIsRefused) {
  for (const char* sql :
       {"CREATE TABLE mail (subject TEXT)", "CREATE TABLE mail (subject TEXT); PRAGMA user_version = 1",
        "CREATE TABLE mail (subject TEXT); PRAGMA user_version = 2", "PRAGMA user_version = 0"}) {
    write(file(), "");
    {
      auto database = *Database::open(file());
      ASSERT_TRUE(database.execute("VACUUM"));
      ASSERT_TRUE(database.execute(sql));
    }
    expect_refused("");
  }
}

TEST_F(Damage, ATruncatedFileIsRefusedWhereverItWasCut) {
  for (std::size_t size = 1; size < sound.size(); size += size < 4096 ? 331 : 1999) {
    SCOPED_TRACE(size);
    write(file(), sound.substr(0, size));
    expect_refused("");
  }
  for (std::size_t size = 4096; size < sound.size(); size += 4096) {
    SCOPED_TRACE(size);
    write(file(), sound.substr(0, size));
    expect_refused("");
  }
}

// A flipped bit is refused, or it lay where nothing is: then all is as it was. What must never be is a
// catalog that opens and says something else.
TEST_F(Damage, AFlippedBitNeverChangesWhatIsSeen) {
  std::mt19937 random(11);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string flipped = sound;
    // The first round trips go through the header, byte by byte.
    const std::size_t at = round < 100 ? static_cast<std::size_t>(round) : random() % sound.size();
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
    write(file(), flipped);
    const auto opened = open_catalog(folder(), clock);
    if (opened) {
      std::string now = visible(**opened);
      // Of versions that are not current, damage shows when they are read.
      if (now != seen)
        EXPECT_NE(now.find("unreadable: cannot read the versions of"), std::string::npos) << at;
      continue;
    }
    ++refused;
    EXPECT_EQ(opened.error().code, Code::refused) << at << ": " << opened.error().message;
    EXPECT_NE(opened.error().message.find("catalog.db"), std::string::npos) << opened.error().message;
    EXPECT_EQ(content(file()), flipped) << at;
  }
  EXPECT_GT(refused, 50);
}

TEST_F(Damage, AChangedValueIsFoundByItsChecksum) {
  const auto change = [this](const std::string& sql) {
    write(file(), sound);
    auto database = *Database::open(file());
    ASSERT_TRUE(database.execute(sql));
    ASSERT_TRUE(database.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  };
  change("UPDATE versions SET memory_bytes = 102 WHERE name = 'f2' AND version = 2");
  expect_refused("the row of demo/f2 version 2 does not match its checksum");
  change("UPDATE functions SET current = 1 WHERE name = 'f2'");
  expect_refused("the row of demo/f2 does not match its checksum");
  change("UPDATE functions SET last_version = 1 WHERE name = 'f4'");
  expect_refused("the row of demo/f4 does not match its checksum");
  change("DELETE FROM env WHERE name = 'f5' AND key = CAST('EMPTY' AS BLOB)");
  expect_refused("the row of demo/f5 version 2 does not match its checksum");
  change("UPDATE files SET digest = replace(digest, 'a', 'b') WHERE name = 'f6'");
  expect_refused("the row of demo/f6 version 2 does not match its checksum");
  change("DELETE FROM versions WHERE name = 'f7' AND version = 2");
  expect_refused("lack their current version");
  change("DROP TABLE files");
  expect_refused("its table 'files' is not as it was made");
  change("CREATE TRIGGER spy AFTER INSERT ON versions BEGIN DELETE FROM functions; END");
  expect_refused("triggers or views");
}

TEST_F(Damage, OfAVersionThatIsNotCurrentIsSaidWhenItIsWanted) {
  {
    auto database = *Database::open(file());
    ASSERT_TRUE(database.execute("UPDATE versions SET memory_bytes = 102 WHERE name = 'f2' AND version = 1"));
  }
  const auto catalog = *open_catalog(folder(), clock);
  const FunctionName name = *parse_function_name("demo/f2");
  EXPECT_EQ(catalog->versions(name).error().code, Code::internal);
  EXPECT_EQ(catalog->rollback(name, 0).error().code, Code::internal);
  EXPECT_EQ(catalog->snapshot()->functions.at(name)->version, 2);
  EXPECT_TRUE(catalog->versions(*parse_function_name("demo/f3")));
}

TEST_F(Damage, WithAWriteAheadLogBothFilesStayAsTheyAre) {
  Child child([this] {
    const auto catalog = open_catalog(folder(), clock);
    if (!catalog || !deploy(**catalog, sample_function("demo/new"))) return 1;
    ::raise(SIGKILL);
    return 2;
  });
  ASSERT_EQ(child.wait(), -SIGKILL);
  const fs::path log = folder() / "catalog.db-wal";
  const std::string log_before = content(log);
  ASSERT_FALSE(log_before.empty());
  const std::string file_before = content(file());
  std::string damaged = file_before;
  std::fill(damaged.begin() + 4096, damaged.end(), 'x');
  write(file(), damaged);
  expect_refused("");
  EXPECT_EQ(content(log), log_before);

  write(file(), file_before);  // Restored, the log's change is there too.
  const auto catalog = open_catalog(folder(), clock);
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_TRUE((*catalog)->snapshot()->functions.contains(*parse_function_name("demo/new")));
}

TEST_F(Damage, ANewerSchemaIsRefusedAndBothNumbersNamed) {
  {
    auto database = *Database::open(file());
    ASSERT_TRUE(database.execute("PRAGMA user_version = 9"));
  }
  const auto opened = open_catalog(folder(), clock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::refused);
  EXPECT_NE(opened.error().message.find("has schema 9, and this Canopy reads up to schema 3"),
            std::string::npos)
      << opened.error().message;
}

}  // namespace
}  // namespace canopy::store
