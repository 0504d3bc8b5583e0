// What every Catalog promises, asked of each of them.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "store/catalog.h"
#include "store/disk.h"
#include "store/redis_catalog.h"
#include "store/redis_fixture.h"
#include "store/sample.h"

namespace canopy::store {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

enum class Kind { memory, sqlite, redis };

class CatalogContract : public testing::TestWithParam<Kind> {
 protected:
  CatalogContract() {
    if (GetParam() == Kind::memory) {
      catalog = make_memory_catalog(clock);
      return;
    }
    if (GetParam() == Kind::redis) {
      auto shared = open_redis_catalog(temp.path(), shared_redis().fresh(), clock);
      EXPECT_TRUE(shared) << shared.error().message;
      catalog = *std::move(shared);
      return;
    }
    auto opened = open_catalog(temp.path(), clock);
    EXPECT_TRUE(opened) << opened.error().message;
    catalog = *std::move(opened);
  }

  std::uint32_t current(const std::string& name) const {
    const auto snapshot = catalog->snapshot();
    const auto at = snapshot->functions.find(*parse_function_name(name));
    return at == snapshot->functions.end() ? 0 : at->second->version;
  }

  FakeClock clock;
  TempFolder temp = quick_folder();
  std::unique_ptr<Catalog> catalog;
};

INSTANTIATE_TEST_SUITE_P(Each, CatalogContract, testing::Values(Kind::memory, Kind::sqlite, Kind::redis),
                         [](const auto& kind) {
                           return kind.param == Kind::memory   ? "Memory"
                                  : kind.param == Kind::sqlite ? "Sqlite"
                                                               : "Redis";
                         });

TEST_P(CatalogContract, StartsEmpty) {
  EXPECT_TRUE(catalog->snapshot()->functions.empty());
  EXPECT_EQ(catalog->versions(*parse_function_name("a/b")).error().code, Code::not_found);
}

TEST_P(CatalogContract, PutMakesAFunctionVisibleAsItWasGiven) {
  clock.advance(seconds(7));
  Function wanted = sample_function("demo/hello");
  const std::string file = *catalog->put_code("a file");
  wanted.files = {{.path = "etc/b.txt", .digest = file, .size_bytes = 6},
                  {.path = "etc/a.txt", .digest = file, .size_bytes = 6}};
  const auto put = deploy(*catalog, wanted);
  ASSERT_TRUE(put) << put.error().message;

  EXPECT_TRUE(put->created);
  EXPECT_FALSE(put->unchanged);
  EXPECT_EQ(put->function->version, 1);
  EXPECT_EQ(put->function->created, clock.wall_now());
  std::ranges::reverse(wanted.files);  // They are kept in the order of their paths.
  EXPECT_TRUE(same_content(*put->function, wanted));
  const auto snapshot = catalog->snapshot();
  ASSERT_EQ(snapshot->functions.size(), 1);
  EXPECT_TRUE(equal(*snapshot->functions.begin()->second, *put->function));
  EXPECT_EQ(snapshot->functions.begin()->first, wanted.name);
}

TEST_P(CatalogContract, PutAgainMakesANewVersion) {
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello")));
  const auto put = deploy(*catalog, sample_function("demo/hello"), "other code");
  ASSERT_TRUE(put);
  EXPECT_FALSE(put->created);
  EXPECT_FALSE(put->unchanged);
  EXPECT_EQ(put->function->version, 2);
  EXPECT_EQ(current("demo/hello"), 2);
}

TEST_P(CatalogContract, PutOfWhatIsCurrentChangesNothing) {
  Function function = sample_function("demo/hello");
  const std::string file = *catalog->put_code("a file");
  function.files = {{.path = "b", .digest = file, .size_bytes = 6},
                    {.path = "a", .digest = file, .size_bytes = 6}};
  const auto first = deploy(*catalog, function);
  ASSERT_TRUE(first);
  const std::uint64_t before = catalog->version();
  clock.advance(minutes(1));
  std::ranges::reverse(function.files);

  const auto again = deploy(*catalog, function);

  ASSERT_TRUE(again);
  EXPECT_FALSE(again->created);
  EXPECT_TRUE(again->unchanged);
  EXPECT_EQ(again->function, first->function);
  EXPECT_EQ(catalog->version(), before);
  EXPECT_EQ(catalog->versions(function.name)->size(), 1);
}

TEST_P(CatalogContract, EachPropertyMakesADifference) {
  const std::string file = *catalog->put_code("a file");
  Function function = sample_function("demo/hello");
  ASSERT_TRUE(deploy(*catalog, function));
  const auto changes = {
      +[](Function& f) { f.limits.memory_bytes = 1; }, +[](Function& f) { f.limits.timeout *= 2; },
      +[](Function& f) { f.limits.concurrency = 1; },  +[](Function& f) { f.limits.output_bytes = 1; },
      +[](Function& f) { f.limits.log_bytes = 1; },    +[](Function& f) { f.limits.tmp_bytes = 1; },
      +[](Function& f) { f.limits.open_files = 1; },   +[](Function& f) { f.limits.table_elements = 1; },
      +[](Function& f) { f.env["NEW"] = "1"; },        +[](Function& f) { f.env["NEW"] = "2"; },
      +[](Function& f) { f.env.erase("NEW"); },        +[](Function& f) { f.runtime = "js"; }};
  std::uint32_t version = 1;
  for (const auto& change : changes) {
    change(function);
    const auto put = deploy(*catalog, function);
    ASSERT_TRUE(put);
    EXPECT_EQ(put->function->version, ++version);
  }
  function.files = {{.path = "a", .digest = file, .size_bytes = 6}};
  EXPECT_EQ(deploy(*catalog, function)->function->version, ++version);
  function.files[0].path = "b";
  EXPECT_EQ(deploy(*catalog, function)->function->version, ++version);
}

TEST_P(CatalogContract, PutRefusesCodeThatWasNeverStored) {
  const std::uint64_t before = catalog->version();
  const auto put = catalog->put(sample_function("demo/hello"));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Code::not_found);
  EXPECT_NE(put.error().message.find(sha256_hex(sample_code)), std::string::npos);
  EXPECT_TRUE(catalog->snapshot()->functions.empty());
  EXPECT_EQ(catalog->version(), before);
}

TEST_P(CatalogContract, PutRefusesAFileThatWasNeverStored) {
  Function function = sample_function("demo/hello");
  function.files = {{.path = "a", .digest = sha256_hex("nowhere"), .size_bytes = 7}};
  EXPECT_EQ(deploy(*catalog, function).error().code, Code::not_found);
  EXPECT_TRUE(catalog->snapshot()->functions.empty());
}

TEST_P(CatalogContract, PutRefusesADigestThatIsAPath) {
  ASSERT_TRUE(catalog->put_code(sample_code));
  const std::string digest = sha256_hex(sample_code);
  for (const std::string& bad : {std::string(), std::string("../format"), digest.substr(0, 63), digest + "0",
                                 digest.substr(0, 61) + "/..", std::string(64, 'A'), std::string(64, '\0')}) {
    Function function = sample_function("demo/hello");
    function.digest = bad;
    EXPECT_EQ(catalog->put(function).error().code, Code::not_found) << bad;
    EXPECT_EQ(catalog->code_path(bad).error().code, Code::not_found) << bad;
  }
}

TEST_P(CatalogContract, PutRefusesNamesAndPathsThatLeadElsewhere) {
  const std::string file = *catalog->put_code("a file");
  for (const std::string& bad :
       {std::string(), std::string("/etc/passwd"), std::string("../x"), std::string("a/../b"),
        std::string("a//b"), std::string("./a"), std::string("a/."), std::string("a/"),
        std::string("a\0b", 3), std::string(5000, 'a')}) {
    Function function = sample_function("demo/hello");
    function.files = {{.path = bad, .digest = file, .size_bytes = 6}};
    EXPECT_EQ(deploy(*catalog, function).error().code, Code::invalid) << bad;
  }
  Function function = sample_function("demo/hello");
  function.name.space = "..";
  EXPECT_EQ(deploy(*catalog, function).error().code, Code::invalid);
  EXPECT_TRUE(catalog->snapshot()->functions.empty());
}

TEST_P(CatalogContract, PutRefusesFilesThatAreThereTwiceOrInsideAFile) {
  const std::string file = *catalog->put_code("a file");
  for (const char* second : {"a", "a/b", "a/b/c"}) {
    Function function = sample_function("demo/hello");
    function.files = {{.path = "a", .digest = file, .size_bytes = 6},
                      {.path = "a.txt", .digest = file, .size_bytes = 6},
                      {.path = second, .digest = file, .size_bytes = 6}};
    EXPECT_EQ(deploy(*catalog, function).error().code, Code::invalid) << second;
  }
}

TEST_P(CatalogContract, PutRefusesVariablesThatNoProcessCouldHave) {
  for (const auto& [key, value] : std::initializer_list<std::pair<std::string, std::string>>{
           {"", "x"}, {"A=B", "x"}, {std::string("A\0", 2), "x"}, {"A", std::string("x\0y", 3)}}) {
    Function function = sample_function("demo/hello");
    function.env = {{key, value}};
    EXPECT_EQ(deploy(*catalog, function).error().code, Code::invalid) << key;
  }
}

TEST_P(CatalogContract, PutRefusesMoreThanItsLimits) {
  Function function = sample_function("demo/hello");
  function.env["BIG"] = std::string(5 * MiB, 'x');
  const auto too_large = deploy(*catalog, function);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Code::too_large);
  EXPECT_NE(too_large.error().message.find("4MiB is the limit"), std::string::npos)
      << too_large.error().message;

  function = sample_function("demo/hello");
  for (int i = 0; i <= 10'000; ++i) {
    function.files.push_back({.path = std::to_string(i), .digest = function.digest, .size_bytes = 1});
  }
  EXPECT_EQ(deploy(*catalog, function).error().code, Code::too_large);
}

TEST_P(CatalogContract, VersionsComeNewestFirst) {
  for (const char* code : {"one", "two", "three"}) {
    clock.advance(seconds(1));
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code));
  }
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello2"), "one"));
  ASSERT_TRUE(deploy(*catalog, sample_function("demo2/hello"), "one"));

  const auto versions = catalog->versions(*parse_function_name("demo/hello"));

  ASSERT_TRUE(versions);
  ASSERT_EQ(versions->size(), 3);
  EXPECT_EQ((*versions)[0].version, 3);
  EXPECT_EQ((*versions)[2].version, 1);
  EXPECT_EQ((*versions)[2].digest, sha256_hex("one"));
  EXPECT_LT((*versions)[2].created, (*versions)[1].created);
  const auto snapshot = catalog->snapshot();
  EXPECT_TRUE(equal((*versions)[0], *snapshot->functions.at(*parse_function_name("demo/hello"))));
}

TEST_P(CatalogContract, RollbackGoesToTheVersionBefore) {
  for (const char* code : {"one", "two", "three"})
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code));
  const FunctionName name = *parse_function_name("demo/hello");
  const std::uint64_t before = catalog->version();

  const auto two = catalog->rollback(name, 0);
  ASSERT_TRUE(two);
  EXPECT_EQ((*two)->version, 2);
  EXPECT_EQ((*two)->digest, sha256_hex("two"));
  EXPECT_EQ(current("demo/hello"), 2);
  EXPECT_EQ(catalog->version(), before + 1);
  EXPECT_EQ(catalog->versions(name)->size(), 3);

  EXPECT_EQ((*catalog->rollback(name, 0))->version, 1);
  const auto none = catalog->rollback(name, 0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::conflict);
  EXPECT_EQ(current("demo/hello"), 1);
}

TEST_P(CatalogContract, RollbackGoesToTheVersionGiven) {
  for (const char* code : {"one", "two", "three"})
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code));
  const FunctionName name = *parse_function_name("demo/hello");

  EXPECT_EQ((*catalog->rollback(name, 1))->version, 1);
  EXPECT_EQ((*catalog->rollback(name, 3))->version, 3);  // And back again.
  const std::uint64_t before = catalog->version();
  EXPECT_EQ((*catalog->rollback(name, 3))->version, 3);
  EXPECT_EQ(catalog->version(), before);
  const auto none = catalog->rollback(name, 4);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found);
  EXPECT_NE(none.error().message.find("no version 4"), std::string::npos);
  EXPECT_EQ(catalog->rollback(*parse_function_name("demo/other"), 0).error().code, Code::not_found);
}

TEST_P(CatalogContract, PutAfterRollbackTakesANewNumber) {
  for (const char* code : {"one", "two"}) ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code));
  ASSERT_TRUE(catalog->rollback(*parse_function_name("demo/hello"), 0));
  EXPECT_EQ(deploy(*catalog, sample_function("demo/hello"), "two")->function->version, 3);
  EXPECT_EQ((*catalog->rollback(*parse_function_name("demo/hello"), 0))->version, 2);
}

TEST_P(CatalogContract, RemoveTakesAllVersionsAndNoNumberComesBack) {
  const FunctionName name = *parse_function_name("demo/hello");
  for (const char* code : {"one", "two"}) ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code));
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/stays")));
  const std::uint64_t before = catalog->version();

  ASSERT_TRUE(catalog->remove(name));

  EXPECT_EQ(catalog->version(), before + 1);
  EXPECT_EQ(current("demo/hello"), 0);
  EXPECT_EQ(current("demo/stays"), 1);
  EXPECT_EQ(catalog->versions(name).error().code, Code::not_found);
  EXPECT_EQ(catalog->rollback(name, 1).error().code, Code::not_found);
  EXPECT_EQ(catalog->remove(name).error().code, Code::not_found);
  const auto again = deploy(*catalog, sample_function("demo/hello"), "two");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->created);
  EXPECT_EQ(again->function->version, 3);
  EXPECT_EQ(catalog->rollback(name, 0).error().code, Code::conflict);
  EXPECT_EQ(catalog->rollback(name, 2).error().code, Code::not_found);
}

TEST_P(CatalogContract, VersionsBeyondTheMostAreForgottenTheOldestFirst) {
  const FunctionName name = *parse_function_name("demo/hello");
  const auto deploy_versions = [&](int first, int last) {
    for (int i = first; i <= last; ++i) {
      ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), "code " + std::to_string(i)));
    }
  };
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/other"), "code 1"));
  deploy_versions(1, 25);
  const auto versions = catalog->versions(name);
  ASSERT_TRUE(versions);
  ASSERT_EQ(versions->size(), 20);
  EXPECT_EQ(versions->front().version, 25);
  EXPECT_EQ(versions->back().version, 6);
  EXPECT_EQ(catalog->rollback(name, 5).error().code, Code::not_found);
  EXPECT_EQ(catalog->versions(*parse_function_name("demo/other"))->size(), 1);

  // Who rolled back far, and then deploys something worse, can go back there.
  ASSERT_TRUE(catalog->rollback(name, 6));
  EXPECT_EQ(catalog->versions(name)->size(), 20) << "a rollback forgets nothing";
  deploy_versions(26, 26);
  EXPECT_EQ(catalog->versions(name)->back().version, 6);
  EXPECT_EQ(catalog->rollback(name, 7).error().code, Code::not_found);
  EXPECT_EQ((*catalog->rollback(name, 6))->digest, sha256_hex("code 6"));
  EXPECT_EQ((*catalog->rollback(name, 26))->version, 26);
  deploy_versions(27, 27);
  EXPECT_EQ(catalog->versions(name)->size(), 20);
  EXPECT_EQ(catalog->rollback(name, 6).error().code, Code::not_found);
}

TEST_P(CatalogContract, TheCodeOfForgottenVersionsIsSweptWhereNothingElseNamesIt) {
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/other"), "code 2"));
  for (int i = 1; i <= 22; ++i) {
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), "code " + std::to_string(i)));
  }
  clock.advance(hours(2));
  EXPECT_EQ(*catalog->sweep(), 6);
  EXPECT_EQ(catalog->code_path(sha256_hex("code 1")).error().code, Code::not_found);
  EXPECT_TRUE(catalog->code_path(sha256_hex("code 2")));
  EXPECT_TRUE(catalog->code_path(sha256_hex("code 3")));
}

TEST_P(CatalogContract, WhatAChangeRefusesDoesNotHappen) {
  const FunctionName name = *parse_function_name("demo/hello");
  for (const char* code : {"one", "two"}) ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code));
  std::vector<std::string> asked;
  const Change refuses{.allow = [&](const Function& next) -> Result<void> {
    asked.push_back(next.digest);
    EXPECT_EQ(catalog->snapshot()->functions.at(name)->version, 2);
    return fail(Code::exhausted, "too much");
  }};
  const std::uint64_t before = catalog->version();
  EXPECT_EQ(deploy(*catalog, sample_function("demo/hello"), "three", refuses).error().code, Code::exhausted);
  EXPECT_EQ(catalog->rollback(name, 0, refuses).error().message, "too much");
  EXPECT_EQ(asked, (std::vector<std::string>{sha256_hex("three"), sha256_hex("one")}));
  EXPECT_EQ(catalog->version(), before);
  EXPECT_EQ(current("demo/hello"), 2);
  EXPECT_EQ(catalog->versions(name)->size(), 2);
  EXPECT_EQ(catalog->users().audit(0, 10)->size(), 2);
}

TEST_P(CatalogContract, EachChangeHasALineInTheAuditLogAndNothingElseHas) {
  const FunctionName name = *parse_function_name("demo/hello");
  const Change change{.actor = {.user = "bob", .key = "k"}};
  for (const char* code : {"one", "two"})
    ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), code, change));
  ASSERT_TRUE(deploy(*catalog, sample_function("demo/hello"), "two", change));  // Is current already,
  ASSERT_TRUE(catalog->rollback(name, 2, change));                              // as is this.
  ASSERT_FALSE(catalog->rollback(name, 3, change));
  ASSERT_TRUE(catalog->rollback(name, 0, change));
  ASSERT_TRUE(catalog->remove(name, change));
  ASSERT_FALSE(catalog->remove(name, change));

  const auto entries = catalog->users().audit(0, 10);
  ASSERT_TRUE(entries) << entries.error().message;
  std::vector<std::string> lines;
  for (const AuditEntry& entry : *entries) {
    lines.push_back(entry.action + " " + entry.target + " " + entry.detail);
    EXPECT_EQ(entry.user + entry.key, "bobk");
  }
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "function.remove demo/hello ", "function.rollback demo/hello version 1",
                       "function.deploy demo/hello version 2", "function.deploy demo/hello version 1"}));
}

TEST_P(CatalogContract, SnapshotsAreInOrderAndStayAsTheyWere) {
  for (const char* name : {"b/a", "a/b", "a/a", "a/A"}) ASSERT_TRUE(deploy(*catalog, sample_function(name)));
  const auto kept = catalog->snapshot();
  ASSERT_TRUE(catalog->remove(*parse_function_name("a/a")));

  std::vector<std::string> names;
  for (const auto& [name, function] : kept->functions) names.push_back(to_text(name));
  EXPECT_EQ(names, (std::vector<std::string>{"a/A", "a/a", "a/b", "b/a"}));
  EXPECT_EQ(catalog->snapshot()->functions.size(), 3);
}

TEST_P(CatalogContract, CodeIsAReadOnlyFileNamedByItsDigest) {
  const std::string code = std::string("\0asm", 4) + std::string(300'000, 'x');
  const auto digest = catalog->put_code(code);
  ASSERT_TRUE(digest);
  EXPECT_EQ(*digest, sha256_hex(code));
  const auto path = catalog->code_path(*digest);
  ASSERT_TRUE(path);
  EXPECT_EQ(path->filename(), *digest);
  EXPECT_EQ(path->parent_path().filename(), digest->substr(0, 2));
  std::ifstream file(*path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), code);
  EXPECT_EQ(std::filesystem::status(*path).permissions(), std::filesystem::perms::owner_read);
  EXPECT_EQ(catalog->code_path(sha256_hex("other")).error().code, Code::not_found);
}

TEST_P(CatalogContract, CodeOfNoBytesIsCodeToo) {
  const auto digest = catalog->put_code("");
  ASSERT_TRUE(digest);
  EXPECT_EQ(std::filesystem::file_size(*catalog->code_path(*digest)), 0);
  EXPECT_TRUE(deploy(*catalog, sample_function("demo/empty"), ""));
}

TEST_P(CatalogContract, PutCodeMendsADamagedFile) {
  const std::string digest = *catalog->put_code(sample_code);
  const auto path = *catalog->code_path(digest);
  for (const std::string& damage :
       {std::string(), std::string("\0asm", 4), std::string(sample_code.size(), 'x')}) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << damage;
    EXPECT_EQ(*catalog->put_code(sample_code), digest);
    EXPECT_EQ(*sha256_hex_of_file(path), digest);
  }
}

TEST_P(CatalogContract, SweepDeletesOldCodeThatNoVersionNames) {
  const std::string orphan = *catalog->put_code("an orphan");
  const std::string file = *catalog->put_code("a file");
  Function function = sample_function("demo/hello");
  function.files = {{.path = "a", .digest = file, .size_bytes = 6}};
  ASSERT_TRUE(deploy(*catalog, function, "one"));
  ASSERT_TRUE(deploy(*catalog, function, "two"));

  EXPECT_EQ(*catalog->sweep(), 0);  // Too young.
  clock.advance(hours(1));
  EXPECT_EQ(*catalog->sweep(), 0);
  clock.advance(seconds(1));
  EXPECT_EQ(*catalog->sweep(), 9);

  EXPECT_EQ(catalog->code_path(orphan).error().code, Code::not_found);
  for (const std::string& kept : {file, sha256_hex("one"), sha256_hex("two")})
    EXPECT_TRUE(catalog->code_path(kept));
  ASSERT_TRUE(catalog->remove(function.name));
  EXPECT_EQ(*catalog->sweep(), 12);
  EXPECT_EQ(catalog->code_path(file).error().code, Code::not_found);
}

TEST_P(CatalogContract, StoringCodeAgainMakesItYoung) {
  const std::string digest = *catalog->put_code("code");
  clock.advance(hours(2));
  EXPECT_EQ(*catalog->put_code("code"), digest);
  EXPECT_EQ(*catalog->sweep(), 0);
  EXPECT_TRUE(catalog->code_path(digest));
}

TEST_P(CatalogContract, ReadersSeeOnlyWholeStatesWhileOthersWrite) {
  // Every put sets both functions' marks alike before the next begins; a reader may be between the two.
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  const auto read = [&] {
    std::uint64_t last_version = 0;
    std::uint32_t last_seen = 0;
    while (!done) {
      const std::uint64_t version = catalog->version();
      const auto snapshot = catalog->snapshot();
      const auto at = snapshot->functions.find(*parse_function_name("w/0"));
      const std::uint32_t seen = at == snapshot->functions.end() ? last_seen : at->second->version;
      if (version < last_version || seen < last_seen) ++wrong;
      // A number that was seen promises the change it counts.
      if (version >= 2 && snapshot->functions.empty()) ++wrong;
      if (at != snapshot->functions.end() && at->second->env.at("N") != std::to_string(seen)) ++wrong;
      last_version = version;
      last_seen = seen;
    }
  };
  const auto write = [&](const std::string& name) {
    for (int i = 1; i <= 30; ++i) {
      Function function = sample_function(name);
      function.env["N"] = std::to_string(i);
      if (!deploy(*catalog, function)) ++wrong;
      if (!catalog->versions(function.name)) ++wrong;
    }
  };
  {
    std::jthread reader_a(read);
    std::jthread reader_b(read);
    {
      std::jthread writer_a(write, "w/0");
      std::jthread writer_b(write, "w/1");
    }
    done = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(catalog->version(), 61);
  EXPECT_EQ(current("w/0"), 30);
  EXPECT_EQ(current("w/1"), 30);
}

TEST_P(CatalogContract, SweepLeavesAloneWhatIsBeingDeployed) {
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  {
    std::jthread sweeper([&] {
      while (!done) {
        if (!catalog->sweep()) ++wrong;
      }
    });
    for (int i = 0; i < 100; ++i) {
      clock.advance(hours(2));  // All code is now old, and the sweeper after it.
      const auto digest = catalog->put_code(std::to_string(i % 3));
      if (!digest || !catalog->code_path(*digest)) ++wrong;  // Stored again, it is young.
    }
    done = true;
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace canopy::store
