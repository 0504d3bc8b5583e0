// Kills a process in the midst of its changes, at moments that a seed chooses, and looks at what is left:
// all that it was told is done, all or nothing of what it was doing, and no code file that is not whole.

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "store/catalog.h"
#include "store/child.h"
#include "store/disk.h"
#include "store/sample.h"
#include "store/visible.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::string code_of(std::uint32_t seed, std::uint32_t step) {
  std::mt19937 random(seed * 7919 + step);
  std::string code(1 + random() % 20'000, '\0');
  for (char& byte : code) byte = static_cast<char>(random());
  return code;
}

// The change number `step` of a history: the same for everybody who knows the seed.
bool change(Catalog& catalog, std::uint32_t seed, std::uint32_t step) {
  std::mt19937 random(seed * 104'729 + step);
  const std::string name = "crash/f" + std::to_string(random() % 5);
  const FunctionName parsed = *parse_function_name(name);
  const bool known = catalog.snapshot()->functions.contains(parsed);
  const std::uint32_t kind = random() % 10;
  if (known && kind == 0) return catalog.remove(parsed).has_value();
  if (known && kind == 1) {
    const auto back = catalog.rollback(parsed, 0);
    return back || back.error().code == Code::conflict;
  }
  Function function = sample_function(name);
  function.env["STEP"] = std::to_string(step);
  const std::string file = code_of(seed + 1, step);
  const auto digest = catalog.put_code(file);
  if (!digest) return false;
  function.files = {{.path = "data", .digest = *digest, .size_bytes = file.size()}};
  return deploy(catalog, std::move(function), code_of(seed, step)).has_value();
}

void expect_whole_code(const Catalog& catalog) {
  const auto snapshot = catalog.snapshot();
  for (const auto& [name, current] : snapshot->functions) {
    const auto versions = catalog.versions(name);
    ASSERT_TRUE(versions) << versions.error().message;
    for (const Function& function : *versions) {
      for (const std::string& digest : {function.digest, function.files.at(0).digest}) {
        const auto path = catalog.code_path(digest);
        ASSERT_TRUE(path) << path.error().message;
        EXPECT_EQ(*sha256_hex_of_file(*path), digest) << to_text(name) << " " << function.version;
      }
    }
  }
}

// One life: opens `folder`, makes the changes from `step` on and reports each; killed after `reports` and a
// moment more. Returns how many were reported.
std::uint32_t live_and_die(const fs::path& folder, std::uint32_t seed, std::uint32_t step,
                           std::mt19937& random) {
  std::array<int, 2> reports{};
  EXPECT_EQ(pipe(reports.data()), 0);
  Child child([&] {
    close(reports[0]);
    const FakeClock clock;
    const auto catalog = open_catalog(folder, clock);
    if (!catalog) return 1;
    for (std::uint32_t next = step;; ++next) {
      if (!change(**catalog, seed, next) || write(reports[1], "x", 1) != 1) return 2;
    }
  });
  close(reports[1]);
  std::uint32_t reported = 0;
  char byte = 0;
  for (std::uint32_t left = random() % 8; left > 0 && read(reports[0], &byte, 1) == 1; --left) ++reported;
  std::atomic<std::uint32_t> moment =
      random() % 3'000'000;  // Counted down, so that each length is as likely.
  while (moment > 0) --moment;
  child.kill();
  while (read(reports[0], &byte, 1) == 1) ++reported;  // Said before it died.
  close(reports[0]);
  return reported;
}

TEST(Crash, NothingAcknowledgedIsLostAndNothingIsHalfVisible) {
  constexpr std::uint32_t seed = 20'260'801;
  const FakeClock clock;
  std::mt19937 random(seed);
  int found_unreported = 0;
  for (int history = 0; history < 6; ++history) {
    const TempFolder temp =
        history == 0 ? *TempFolder::make() : quick_folder();  // A disk is slower to die on.
    const auto model = make_memory_catalog(clock);
    const std::uint32_t own_seed = seed + static_cast<std::uint32_t>(history);
    std::uint32_t step = 0;
    for (int life = 0; life < (history == 0 ? 4 : 8); ++life) {
      SCOPED_TRACE("history " + std::to_string(history) + ", life " + std::to_string(life));
      const std::uint32_t reported = live_and_die(temp.path(), own_seed, step, random);
      for (std::uint32_t i = 0; i < reported; ++i) ASSERT_TRUE(change(*model, own_seed, step++));

      const auto opened = open_catalog(temp.path(), clock);
      ASSERT_TRUE(opened) << opened.error().message;
      expect_whole_code(**opened);
      for (const auto& entry : fs::directory_iterator(temp.path() / "code"))
        EXPECT_TRUE(entry.is_directory()) << entry;
      const std::string seen = visible(**opened);
      if (seen == visible(*model)) continue;
      ASSERT_TRUE(change(*model, own_seed, step++));  // The one it died in was done, only not reported.
      ASSERT_EQ(seen, visible(*model));
      ++found_unreported;
    }
  }
  RecordProperty("found_unreported", found_unreported);
}

// A catalog that forgot its last change must be found out, or the test above says nothing.
TEST(Crash, TheComparisonNoticesALostChange) {
  const FakeClock clock;
  const auto a = make_memory_catalog(clock);
  const auto b = make_memory_catalog(clock);
  for (std::uint32_t step = 0; step < 20; ++step) {
    ASSERT_TRUE(change(*a, 1, step));
    if (step < 19) ASSERT_TRUE(change(*b, 1, step));
  }
  EXPECT_NE(visible(*a), visible(*b));
  ASSERT_TRUE(change(*b, 1, 19));
  EXPECT_EQ(visible(*a), visible(*b));
}

}  // namespace
}  // namespace canopy::store
