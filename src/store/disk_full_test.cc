// A disk without room, in three ways: a limit on the size of files, which any user can set; a small tmpfs and
// a read-only one, where the system lets us mount. What was there stays, what fails leaves nothing, and when
// there is room again all goes on.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <source_location>
#include <string>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "store/catalog.h"
#include "store/child.h"
#include "store/sample.h"
#include "store/visible.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

constexpr int passed = 0;
constexpr int failed = 1;
constexpr int skipped = 77;

// In a child a test can only say where it went wrong, and end.
bool holds(bool condition, std::source_location where = std::source_location::current()) {
  if (!condition) std::fprintf(stderr, "%s:%u: this does not hold\n", where.file_name(), where.line());
  return condition;
}

bool limit_file_size(std::uint64_t size) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
  limit.rlim_cur = std::min<rlim_t>(size, limit.rlim_max);
  return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

Function wide_function(int mark) {
  Function function = sample_function("demo/wide");
  function.env["MARK"] = std::to_string(mark);
  function.env["WIDE"] = std::string(20'000, static_cast<char>('a' + mark % 26));  // Some pages of its own.
  return function;
}

std::size_t entry_count(const fs::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::recursive_directory_iterator(folder)) ++count;
  return count;
}

TEST(DiskFull, EachWriteThatFailsLeavesTheCatalogAsItWas) {
  const TempFolder temp = quick_folder();
  const auto body = [&temp] {
    std::signal(SIGXFSZ, SIG_IGN);
    const FakeClock clock;
    auto catalog = open_catalog(temp.path(), clock);
    if (!holds(catalog && deploy(**catalog, wide_function(0)))) return failed;
    int refused = 0;
    for (int round = 1; round < 60; ++round) {
      const std::string before = visible(**catalog);
      const std::uint64_t version = (*catalog)->version();
      const std::uint64_t log_size = fs::file_size(temp.path() / "catalog.db-wal");
      if (!holds(limit_file_size(log_size + static_cast<std::uint64_t>(round % 50) * 700))) return failed;
      const auto put = (*catalog)->put(wide_function(round));
      if (!holds(limit_file_size(RLIM_INFINITY))) return failed;
      if (put) continue;
      ++refused;
      if (!holds(put.error().code == Code::unavailable)) return failed;
      if (!holds(put.error().message.starts_with("cannot put demo/wide: "))) return failed;
      if (!holds(visible(**catalog) == before && (*catalog)->version() == version)) return failed;
      if (round % 7 != 0) continue;  // Sometimes the next one follows at once, sometimes after a new start.
      catalog->reset();
      catalog = open_catalog(temp.path(), clock);
      if (!holds(catalog && visible(**catalog) == before)) return failed;
      if (!holds(static_cast<bool>((*catalog)->put(wide_function(1000 + round))))) return failed;
    }
    if (!holds(refused > 20)) return failed;
    const std::string last = visible(**catalog);
    catalog->reset();
    catalog = open_catalog(temp.path(), clock);
    if (!holds(catalog && visible(**catalog) == last)) return failed;
    return passed;
  };
  EXPECT_EQ(run_in_child(body), passed);
}

TEST(DiskFull, RollbackAndRemoveFailWhole) {
  const TempFolder temp = quick_folder();
  const auto body = [&temp] {
    std::signal(SIGXFSZ, SIG_IGN);
    const FakeClock clock;
    auto catalog = open_catalog(temp.path(), clock);
    if (!holds(catalog && deploy(**catalog, wide_function(0)) && deploy(**catalog, wide_function(1))))
      return failed;
    const FunctionName name = *parse_function_name("demo/wide");
    const std::string before = visible(**catalog);
    if (!holds(limit_file_size(fs::file_size(temp.path() / "catalog.db-wal")))) return failed;
    const auto back = (*catalog)->rollback(name, 0);
    const auto removed = (*catalog)->remove(name);
    if (!holds(limit_file_size(RLIM_INFINITY))) return failed;
    if (!holds(!back && back.error().code == Code::unavailable)) return failed;
    if (!holds(!removed && removed.error().code == Code::unavailable)) return failed;
    if (!holds(visible(**catalog) == before)) return failed;
    if (!holds((*catalog)->rollback(name, 0) && (*catalog)->remove(name))) return failed;
    return passed;
  };
  EXPECT_EQ(run_in_child(body), passed);
}

TEST(DiskFull, CodeThatDoesNotFitLeavesNothing) {
  const TempFolder temp = quick_folder();
  const auto body = [&temp] {
    std::signal(SIGXFSZ, SIG_IGN);
    const FakeClock clock;
    const auto catalog = open_catalog(temp.path(), clock);
    const std::string code(100'000, 'x');
    if (!holds(catalog && (*catalog)->put_code(code.substr(1)))) return failed;
    for (const std::uint64_t size : {0U, 1U, 50'000U, 99'999U}) {
      if (!holds(limit_file_size(size))) return failed;
      const auto put = (*catalog)->put_code(code);
      if (!holds(limit_file_size(RLIM_INFINITY))) return failed;
      if (!holds(!put && put.error().code == Code::unavailable)) return failed;
      if (!holds(put.error().message.find("File too large; raise the limit") != std::string::npos))
        return failed;
      if (!holds((*catalog)->code_path(sha256_hex(code)).error().code == Code::not_found)) return failed;
      for (const auto& entry : fs::directory_iterator(temp.path() / "code"))
        if (!holds(entry.is_directory())) return failed;
    }
    if (!holds(static_cast<bool>((*catalog)->put_code(code)))) return failed;
    return passed;
  };
  EXPECT_EQ(run_in_child(body), passed);
}

TEST(DiskFull, AStartThatFindsNoRoomFailsAndCanBeTriedAgain) {
  const TempFolder temp = quick_folder();
  const auto body = [&temp] {
    std::signal(SIGXFSZ, SIG_IGN);
    const FakeClock clock;
    int refused = 0;
    for (std::uint64_t size = 0; size < 60'000; size += 1500) {
      if (!holds(limit_file_size(size))) return failed;
      const auto catalog = open_catalog(temp.path() / "data", clock);
      if (!holds(limit_file_size(RLIM_INFINITY))) return failed;
      if (catalog) break;
      if (!holds(catalog.error().code == Code::unavailable)) return failed;
      ++refused;
    }
    if (!holds(refused > 5)) return failed;
    const auto catalog = open_catalog(temp.path() / "data", clock);
    if (!holds(catalog && deploy(**catalog, wide_function(0)))) return failed;
    return passed;
  };
  EXPECT_EQ(run_in_child(body), passed);
}

// Gives the child a file system of its own at `path`, which goes with it.
bool mount_small_disk(const fs::path& path) {
  if (unshare(getuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return mount("tmpfs", path.c_str(), "tmpfs", 0, "size=400k") == 0;
}

TEST(DiskFull, ARealFullDiskIsSurvived) {
  const TempFolder temp = quick_folder();
  const auto body = [&temp] {
    if (!mount_small_disk(temp.path())) return skipped;
    const FakeClock clock;
    auto catalog = open_catalog(temp.path(), clock);
    if (!holds(catalog && deploy(**catalog, wide_function(0)))) return failed;
    std::string before;
    for (int round = 1;; ++round) {
      if (!holds(round < 100)) return failed;
      before = visible(**catalog);
      const auto put = (*catalog)->put(wide_function(round));
      if (put) continue;
      if (!holds(put.error().code == Code::unavailable)) return failed;
      if (!holds(put.error().message.find("free some space") != std::string::npos)) return failed;
      break;
    }
    if (!holds(visible(**catalog) == before)) return failed;
    const std::size_t entries = entry_count(temp.path());
    const auto code = (*catalog)->put_code(std::string(500'000, 'x'));
    if (!holds(!code && code.error().message.find("No space left on device; free some") != std::string::npos))
      return failed;
    if (!holds(entry_count(temp.path()) <= entries + 1))
      return failed;  // The empty folder it would have lain in.
    catalog->reset();
    if (!holds(mount(nullptr, temp.path().c_str(), nullptr, MS_REMOUNT, "size=4m") == 0)) return failed;
    catalog = open_catalog(temp.path(), clock);
    if (!holds(catalog && visible(**catalog) == before)) return failed;
    if (!holds(static_cast<bool>((*catalog)->put(wide_function(500))))) return failed;
    return passed;
  };
  const int code = run_in_child(body);
  if (code == skipped) GTEST_SKIP() << "this user may not mount";
  EXPECT_EQ(code, passed);
}

TEST(DiskFull, AReadOnlyDiskIsAClearError) {
  const TempFolder temp = quick_folder();
  const auto body = [&temp] {
    if (!mount_small_disk(temp.path())) return skipped;
    const FakeClock clock;
    if (!holds(static_cast<bool>(deploy(**open_catalog(temp.path(), clock), wide_function(0)))))
      return failed;
    if (!holds(mount(nullptr, temp.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0))
      return failed;
    for (const fs::path& folder : {temp.path(), temp.path() / "new"}) {
      const auto catalog = open_catalog(folder, clock);
      if (!holds(!catalog && catalog.error().code == Code::unavailable)) return failed;
      if (!holds(catalog.error().message.find("Read-only file system; mount it for writing") !=
                 std::string::npos))
        return failed;
    }
    return passed;
  };
  const int code = run_in_child(body);
  if (code == skipped) GTEST_SKIP() << "this user may not mount";
  EXPECT_EQ(code, passed);
}

}  // namespace
}  // namespace canopy::store
