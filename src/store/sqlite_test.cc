#include "store/sqlite.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "store/temp_folder.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

class Sqlite : public testing::Test {
 protected:
  Sqlite() { std::ofstream(path) << ""; }

  TempFolder temp = *TempFolder::make();
  fs::path path = fs::canonical(temp.path()) / "test.db";
};

TEST_F(Sqlite, BindsAndReadsEveryKind) {
  auto database = *Database::open(path);
  ASSERT_TRUE(database.execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d TEXT) STRICT"));
  auto insert = *database.prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4)");
  const std::string bytes("\0\xff\0", 3);
  ASSERT_TRUE(insert.bind(std::int64_t{-5}).bind("text").bind_blob(bytes).bind_null().run());
  ASSERT_TRUE(insert.bind(std::int64_t{6}).bind("").bind_blob("").bind(std::string_view()).run());

  auto row = *database.prepare("SELECT a, b, c, d FROM t ORDER BY a");
  ASSERT_TRUE(*row.step());
  EXPECT_EQ(row.number(0), -5);
  EXPECT_EQ(row.text(1), "text");
  EXPECT_EQ(row.bytes(2), bytes);
  EXPECT_TRUE(row.is_null(3));
  ASSERT_TRUE(*row.step());
  EXPECT_EQ(row.text(1), "");
  EXPECT_FALSE(row.is_null(1));
  EXPECT_FALSE(row.is_null(2));
  EXPECT_FALSE(row.is_null(3));  // An empty text is no NULL, even where its view has no address.
  EXPECT_FALSE(*row.step());
  EXPECT_EQ(*database.number("SELECT count(*) FROM t"), 2);
  EXPECT_EQ(*database.text("SELECT b FROM t WHERE a < 0"), "text");
}

TEST_F(Sqlite, ATransactionThatIsNotCommittedNeverWas) {
  auto database = *Database::open(path);
  ASSERT_TRUE(database.execute("CREATE TABLE t (a)"));
  {
    auto transaction = *Transaction::begin(database);
    ASSERT_TRUE(database.execute("INSERT INTO t VALUES (1)"));
  }
  EXPECT_EQ(*database.number("SELECT count(*) FROM t"), 0);
  auto transaction = *Transaction::begin(database);
  ASSERT_TRUE(database.execute("INSERT INTO t VALUES (1)"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(*database.number("SELECT count(*) FROM t"), 1);
}

TEST_F(Sqlite, NamesTheFileInItsErrors) {
  auto database = *Database::open(path);
  const auto none = database.prepare("SELECT * FROM missing");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::internal);
  EXPECT_EQ(none.error().message, path.string() + ": no such table: missing");
}

TEST_F(Sqlite, AnotherConnectionsLockIsUnavailable) {
  auto first = *Database::open(path);
  auto second = *Database::open(path);
  ASSERT_TRUE(second.execute("PRAGMA busy_timeout = 0"));  // A test need not wait as long as a server.
  auto transaction = *Transaction::begin(first);
  const auto locked = Transaction::begin(second);
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().code, Code::unavailable);
  EXPECT_NE(locked.error().message.find("end the other program"), std::string::npos)
      << locked.error().message;
}

TEST_F(Sqlite, WhatIsNoDatabaseIsRefused) {
  std::ofstream(path) << std::string(1000, 'x');
  auto database = *Database::open(path);
  const auto answer = database.number("PRAGMA user_version");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::refused);
}

TEST_F(Sqlite, MissingFilesAndLinksAreUnavailable) {
  fs::create_symlink(path, temp.path() / "link.db");
  for (const char* name : {"missing.db", "link.db"}) {
    const auto none = Database::open(fs::canonical(temp.path()) / name);
    ASSERT_FALSE(none) << name;
    EXPECT_EQ(none.error().code, Code::unavailable);
    EXPECT_NE(none.error().message.find(name), std::string::npos) << none.error().message;
  }
}

TEST_F(Sqlite, AFailedStatementCanBeUsedAgain) {
  auto database = *Database::open(path);
  ASSERT_TRUE(database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)"));
  auto insert = *database.prepare("INSERT INTO t VALUES (?1)");
  ASSERT_TRUE(insert.bind(std::int64_t{1}).run());
  EXPECT_FALSE(insert.bind(std::int64_t{1}).run());
  EXPECT_TRUE(insert.bind(std::int64_t{2}).run());
  EXPECT_FALSE(insert.bind(std::int64_t{3}).bind("one too many").run());
  EXPECT_EQ(*database.number("SELECT count(*) FROM t"), 2);
}

}  // namespace
}  // namespace canopy::store
