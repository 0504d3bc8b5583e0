// What only the catalog on disk promises: that it is there again, and who may have it open.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/catalog.h"
#include "store/child.h"
#include "store/data_folder.h"
#include "store/sample.h"
#include "store/sqlite.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }

unsigned mode(const fs::path& path) { return static_cast<unsigned>(fs::status(path).permissions()) & 0777; }

class SqliteCatalog : public testing::Test {
 protected:
  Result<std::unique_ptr<Catalog>> open() const { return open_catalog(folder, clock); }
  Error open_error() const {
    auto opened = open();
    return opened ? Error{.code = Code::internal, .message = "it opened"} : std::move(opened).error();
  }

  FakeClock clock;
  TempFolder temp = quick_folder();
  fs::path folder = temp.path() / "data";
};

TEST_F(SqliteCatalog, IsThereAgainAfterClosing) {
  Function function = sample_function("demo/hello");
  std::vector<Function> before;
  {
    const auto catalog = *open();
    const std::string file = *catalog->put_code("a file");
    function.files = {{.path = "a/b.txt", .digest = file, .size_bytes = 6}};
    for (const char* code : {"one", "two", "three"}) {
      clock.advance(std::chrono::milliseconds(1));
      ASSERT_TRUE(deploy(*catalog, function, code));
    }
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/gone")));
    ASSERT_TRUE(deploy(*catalog, sample_function("other/second")));
    ASSERT_TRUE(catalog->rollback(function.name, 2));
    ASSERT_TRUE(catalog->remove(*parse_function_name("demo/gone")));
    before = *catalog->versions(function.name);
  }
  const auto catalog = *open();
  const auto snapshot = catalog->snapshot();
  ASSERT_EQ(snapshot->functions.size(), 2);
  EXPECT_TRUE(equal(*snapshot->functions.at(function.name), before[1]));
  EXPECT_TRUE(same_content(*snapshot->functions.at(*parse_function_name("other/second")), [] {
    Function wanted = sample_function("other/second");
    wanted.code_bytes = sample_code.size();
    return wanted;
  }()));
  const auto after = catalog->versions(function.name);
  ASSERT_EQ(after->size(), 3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(equal((*after)[i], before[i])) << i;
  EXPECT_EQ(deploy(*catalog, sample_function("demo/gone"), "new")->function->version, 2);
  EXPECT_EQ(deploy(*catalog, function, "four")->function->version, 4);
}

TEST_F(SqliteCatalog, KeepsTheLargestNumbers) {
  Function function = sample_function("demo/huge");
  function.limits = {.memory_bytes = ~std::uint64_t{0},
                     .timeout = Duration::max(),
                     .concurrency = ~std::uint32_t{0},
                     .output_bytes = ~std::uint64_t{0} - 1,
                     .log_bytes = 0,
                     .tmp_bytes = std::uint64_t{1} << 63,
                     .open_files = 0,
                     .table_elements = 1};
  ASSERT_TRUE(deploy(**open(), function));
  EXPECT_EQ((*open())->snapshot()->functions.at(function.name)->limits, function.limits);
}

// A folder that was written with a higher bound comes down to a lower one as it is deployed to.
TEST_F(SqliteCatalog, KeepsAsManyVersionsAsItIsTold) {
  const Function function = sample_function("demo/hello");
  {
    const auto catalog = *open();
    for (const char* code : {"one", "two", "three", "four"}) ASSERT_TRUE(deploy(*catalog, function, code));
  }
  const auto catalog = *open_catalog(folder, clock, {.versions_max = 2});
  EXPECT_EQ(catalog->versions(function.name)->size(), 4);
  ASSERT_TRUE(deploy(*catalog, function, "five"));
  const auto versions = catalog->versions(function.name);
  ASSERT_EQ(versions->size(), 2);
  EXPECT_EQ(versions->back().version, 4);
  EXPECT_EQ(Database::open(fs::canonical(folder) / "catalog.db")->number("SELECT count(*) FROM env").value(),
            6);
}

// A change whose line cannot be written does not happen.
TEST_F(SqliteCatalog, AChangeAndItsLineInTheAuditLogAreOneTransaction) {
  const auto catalog = *open();
  const Function function = sample_function("demo/hello");
  for (const char* code : {"one", "two"}) ASSERT_TRUE(deploy(*catalog, function, code));
  const auto before = catalog->snapshot();
  Database other = *Database::open(fs::canonical(folder) / "catalog.db");
  ASSERT_TRUE(other.execute("ALTER TABLE audit RENAME TO elsewhere"));

  EXPECT_FALSE(deploy(*catalog, function, "three"));
  EXPECT_FALSE(deploy(*catalog, sample_function("demo/other"), "one"));
  EXPECT_FALSE(catalog->rollback(function.name, 0));
  EXPECT_FALSE(catalog->remove(function.name));

  EXPECT_EQ(catalog->snapshot(), before);
  EXPECT_EQ(catalog->versions(function.name)->size(), 2);
  ASSERT_TRUE(other.execute("ALTER TABLE elsewhere RENAME TO audit"));
  EXPECT_EQ(deploy(*catalog, function, "three")->function->version, 3);
  EXPECT_EQ(catalog->users().audit(0, 10)->size(), 3);
}

TEST_F(SqliteCatalog, MakesItsFolderForItsOwnerAlone) {
  folder = temp.path() / "a" / "b" / "data";
  const auto catalog = *open();
  const auto digest = *catalog->put_code("code");
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello")));
  EXPECT_EQ(mode(folder), 0700);
  EXPECT_EQ(mode(folder / "code"), 0700);
  EXPECT_EQ(mode(folder / "code" / digest.substr(0, 2)), 0700);
  EXPECT_EQ(mode(*catalog->code_path(digest)), 0400);
  for (const char* file : {"catalog.db", "catalog.db-wal", "catalog.db-shm", "format", "lock"}) {
    EXPECT_EQ(mode(folder / file), 0600) << file;
  }
  EXPECT_EQ(content(folder / "format"), "2\n");
}

TEST_F(SqliteCatalog, FollowsALinkToTheFolderButNoneInIt) {
  fs::create_directory(temp.path() / "real");
  fs::create_directory_symlink(temp.path() / "real", folder);
  {
    ASSERT_TRUE(deploy(**open(), sample_function("demo/hello")));
  }
  EXPECT_TRUE(fs::exists(temp.path() / "real" / "catalog.db"));

  for (const char* name : {"catalog.db", "code", "lock", "format"}) {
    fs::rename(folder / name, temp.path() / "elsewhere");
    fs::create_symlink(temp.path() / "elsewhere", folder / name);
    const Error error = open_error();
    EXPECT_TRUE(error.code == Code::unavailable || error.code == Code::refused)
        << name << ": " << error.message;
    EXPECT_NE(error.message.find((fs::canonical(folder) / name).string()), std::string::npos)
        << error.message;
    fs::remove(folder / name);
    fs::rename(temp.path() / "elsewhere", folder / name);
  }
  EXPECT_TRUE(open());
}

TEST_F(SqliteCatalog, ALinkInPlaceOfCodeIsNoCode) {
  const auto catalog = *open();
  const std::string digest = *catalog->put_code("code");
  const fs::path path = *catalog->code_path(digest);
  write(temp.path() / "elsewhere", "other");
  fs::remove(path);
  fs::create_symlink(temp.path() / "elsewhere", path);
  EXPECT_EQ(catalog->code_path(digest).error().code, Code::not_found);

  EXPECT_EQ(*catalog->put_code("code"), digest);  // It takes the link's place, and leaves its target alone.
  EXPECT_EQ(content(*catalog->code_path(digest)), "code");
  EXPECT_EQ(content(temp.path() / "elsewhere"), "other");
}

TEST_F(SqliteCatalog, ASecondOpeningIsAConflictThatNamesTheFirst) {
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  Child child([&] {
    close(ready[0]);
    const auto catalog = open();
    if (!catalog || ::write(ready[1], "x", 1) != 1) return 1;
    for (;;) pause();
  });
  close(ready[1]);
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);

  const Error error = open_error();
  EXPECT_EQ(error.code, Code::conflict);
  EXPECT_EQ(error.message, "the data folder " + fs::canonical(folder).string() + " is in use by process " +
                               std::to_string(child.id()) +
                               "; stop that one, or give this one a folder of its own (--data)");
  child.kill();
  EXPECT_TRUE(open());  // A lock dies with its holder.
}

TEST_F(SqliteCatalog, ASecondOpeningInTheSameProcessIsAConflictToo) {
  const auto first = open();
  ASSERT_TRUE(first);
  EXPECT_EQ(open_error().code, Code::conflict);
  EXPECT_NE(open_error().message.find(std::to_string(getpid())), std::string::npos);
}

TEST_F(SqliteCatalog, ALockFileThatSaysNothingIsStillALock) {
  const auto first = open();
  write(folder / "lock", "");
  EXPECT_NE(open_error().message.find("in use by another process"), std::string::npos);
  write(folder / "lock", "-12 not a number");
  EXPECT_NE(open_error().message.find("in use by another process"), std::string::npos);
}

TEST_F(SqliteCatalog, ClearsWhatACrashLeftHalfWritten) {
  {
    ASSERT_TRUE(deploy(**open(), sample_function("demo/hello")));
  }
  write(folder / "code" / "new-0123456789abcdef0123456789abcdef", "half");
  write(folder / "format.new", "half");
  ASSERT_TRUE(open());
  EXPECT_FALSE(fs::exists(folder / "code" / "new-0123456789abcdef0123456789abcdef"));
}

TEST_F(SqliteCatalog, FinishesAStartThatDidNotComeFar) {
  fs::create_directory(folder);
  write(folder / "catalog.db", "");
  fs::create_directory(folder / "code");
  {
    ASSERT_TRUE(open());
  }
  fs::remove(folder / "format");  // The last step of a start.
  {
    ASSERT_TRUE(open());
  }
  EXPECT_EQ(content(folder / "format"), "2\n");
}

TEST_F(SqliteCatalog, OpensWithoutReadingCode) {
  std::string digest;
  {
    const auto catalog = *open();
    digest = deploy(*catalog, sample_function("demo/hello"))->function->digest;
    fs::remove(*catalog->code_path(digest));
  }
  const auto catalog = open();
  ASSERT_TRUE(catalog);
  EXPECT_EQ((*catalog)->snapshot()->functions.size(), 1);
  EXPECT_EQ((*catalog)->code_path(digest).error().code, Code::not_found);
}

TEST_F(SqliteCatalog, SaysWhatIsWrongWithAFolderThatIsNone) {
  write(folder, "a file");
  const Error error = open_error();
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_NE(error.message.find(folder.string()), std::string::npos) << error.message;
}

TEST_F(SqliteCatalog, APipeInPlaceOfAFileStopsNobody) {
  {
    ASSERT_TRUE(open());
  }
  for (const char* name : {"format", "lock", "catalog.db"}) {
    fs::remove(folder / name);
    ASSERT_EQ(mkfifo((folder / name).c_str(), 0600), 0);
    EXPECT_FALSE(open()) << name;
    fs::remove(folder / name);
    if (std::string_view(name) == "format") write(folder / name, "2\n");
  }
}

TEST_F(SqliteCatalog, MissingRightsAreAClearError) {
  {
    ASSERT_TRUE(deploy(**open(), sample_function("demo/hello")));
  }
  fs::permissions(temp.path(), fs::perms::all);
  const auto attempt = [&](const fs::path& target, fs::perms perms, const std::string& words) {
    const fs::perms before = fs::status(target).permissions();
    fs::permissions(target, perms);
    const int code = run_in_child([&] {
      if (!give_up_root()) return 2;
      const Error error = open_error();
      return error.code == Code::unavailable && error.message.find(words) != std::string::npos ? 0 : 1;
    });
    fs::permissions(target, before);
    EXPECT_EQ(code, 0) << target << words;
  };
  attempt(folder, fs::perms::none, "Permission denied; give this user the right to it");
  attempt(folder, fs::perms::owner_read | fs::perms::owner_exec, "Permission denied");
  fs::permissions(folder, fs::perms::all);
  fs::permissions(folder / "lock", fs::perms::all);
  fs::permissions(folder / "format", fs::perms::all);
  fs::permissions(folder / "code", fs::perms::all);
  for (const auto& part : fs::directory_iterator(folder / "code")) fs::permissions(part, fs::perms::all);
  attempt(folder / "catalog.db", fs::perms::none, "catalog.db");
  attempt(folder / "catalog.db", fs::perms::owner_read | fs::perms::others_read, "catalog.db");
  EXPECT_TRUE(open());
}

// Formats.

TEST(Format, ReadsANumberAndNothingElse) {
  EXPECT_EQ(parse_format("1\n"), 1);
  EXPECT_EQ(parse_format("0"), 0);
  EXPECT_EQ(parse_format("12 \r\n"), 12);
  for (const std::string& bad :
       {std::string(), std::string("\n"), std::string("-1"), std::string("1x"), std::string("1\n1"),
        std::string(" 1"), std::string("9999999999"), std::string("1\0", 2)}) {
    EXPECT_FALSE(parse_format(bad)) << bad;
  }
}

TEST_F(SqliteCatalog, RefusesANewerFormatAndNamesBothNumbers) {
  {
    ASSERT_TRUE(deploy(**open(), sample_function("demo/hello")));
  }
  write(folder / "format", "7\n");
  const std::string before = content(folder / "catalog.db");
  const Error error = open_error();
  EXPECT_EQ(error.code, Code::refused);
  EXPECT_NE(error.message.find("says format 7, and this Canopy reads up to format 2"), std::string::npos)
      << error.message;
  EXPECT_EQ(content(folder / "catalog.db"), before);
}

TEST_F(SqliteCatalog, RefusesAFormatFileThatHoldsNoNumber) {
  {
    ASSERT_TRUE(open());
  }
  for (const std::string& text : {std::string(), std::string("one"), std::string(1'000'000, '1')}) {
    write(folder / "format", text);
    const Error error = open_error();
    EXPECT_EQ(error.code, Code::refused);
    EXPECT_NE(error.message.find("format holds no format number"), std::string::npos) << error.message;
  }
}

}  // namespace
}  // namespace canopy::store
