#include "guest/binding.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

struct Seen {
  std::uint32_t small = 0;
  std::uint64_t large = 0;
  std::int64_t signed_large = 0;
};
// bind() makes the functions' object anew for each call, so what it was given is kept here.
Seen seen;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

class Functions {
 public:
  explicit Functions(wasm::Caller& /*caller*/) {}
  Errno mixed(std::uint32_t small, std::uint64_t large, std::int64_t signed_large) {
    seen = {small, large, signed_large};
    return Errno::notcapable;
  }
  void nothing() { seen = {1, 2, 3}; }
  std::int64_t wide() { return -5; }
  Step<std::uint32_t> step() { return {wasm::After::wait, 7}; }
  wasm::After ends(std::uint32_t /*code*/) { return wasm::After::exit; }
};

TEST(Binding, TakesTheLettersFromTheSignature) {
  const auto mixed = bind<&Functions::mixed>("m", "n");
  EXPECT_EQ(mixed.module, "m");
  EXPECT_EQ(mixed.name, "n");
  EXPECT_EQ(mixed.parameters, "iII");
  EXPECT_EQ(mixed.results, "i");
  EXPECT_FALSE(mixed.may_wait);
  EXPECT_EQ(bind<&Functions::nothing>("m", "n").parameters, "");
  EXPECT_EQ(bind<&Functions::nothing>("m", "n").results, "");
  EXPECT_EQ(bind<&Functions::wide>("m", "n").results, "I");
  EXPECT_EQ(bind<&Functions::step>("m", "n").results, "i");
  EXPECT_EQ(bind<&Functions::ends>("m", "n").parameters, "i");
  EXPECT_EQ(bind<&Functions::ends>("m", "n").results, "");
  EXPECT_TRUE(bind<&Functions::step>("m", "n", true).may_wait);
}

TEST(Binding, UnpacksArgumentsAndPacksTheResult) {
  FakeCaller caller;
  wasm::Value values[3];
  values[0].i32 = -1;
  values[1].i64 = -2;
  values[2].i64 = -3;
  EXPECT_EQ(bind<&Functions::mixed>("m", "n").function(caller, values), wasm::After::go_on);
  EXPECT_EQ(seen.small, 0xffffffffU);
  EXPECT_EQ(seen.large, 0xfffffffffffffffeULL);
  EXPECT_EQ(seen.signed_large, -3);
  EXPECT_EQ(values[0].i32, 76);
}

TEST(Binding, PassesOnHowTheGuestGoesOn) {
  FakeCaller caller;
  wasm::Value value{};
  EXPECT_EQ(bind<&Functions::step>("m", "n").function(caller, &value), wasm::After::wait);
  EXPECT_EQ(value.i32, 7);
  EXPECT_EQ(bind<&Functions::ends>("m", "n").function(caller, &value), wasm::After::exit);
  EXPECT_EQ(bind<&Functions::wide>("m", "n").function(caller, &value), wasm::After::go_on);
  EXPECT_EQ(value.i64, -5);
  EXPECT_EQ(bind<&Functions::nothing>("m", "n").function(caller, &value), wasm::After::go_on);
  EXPECT_EQ(seen.small, 1U);
}

// The types as the description of WASI preview 1 has them; a guest with another type does not link.
TEST(Host, OffersAllOfWasiWithItsTypes) {
  const std::vector<std::pair<std::string_view, std::string_view>> described = {
      {"args_get", "ii"},
      {"args_sizes_get", "ii"},
      {"environ_get", "ii"},
      {"environ_sizes_get", "ii"},
      {"clock_res_get", "ii"},
      {"clock_time_get", "iIi"},
      {"fd_advise", "iIIi"},
      {"fd_allocate", "iII"},
      {"fd_close", "i"},
      {"fd_datasync", "i"},
      {"fd_fdstat_get", "ii"},
      {"fd_fdstat_set_flags", "ii"},
      {"fd_fdstat_set_rights", "iII"},
      {"fd_filestat_get", "ii"},
      {"fd_filestat_set_size", "iI"},
      {"fd_filestat_set_times", "iIIi"},
      {"fd_pread", "iiiIi"},
      {"fd_prestat_get", "ii"},
      {"fd_prestat_dir_name", "iii"},
      {"fd_pwrite", "iiiIi"},
      {"fd_read", "iiii"},
      {"fd_readdir", "iiiIi"},
      {"fd_renumber", "ii"},
      {"fd_seek", "iIii"},
      {"fd_sync", "i"},
      {"fd_tell", "ii"},
      {"fd_write", "iiii"},
      {"path_create_directory", "iii"},
      {"path_filestat_get", "iiiii"},
      {"path_filestat_set_times", "iiiiIIi"},
      {"path_link", "iiiiiii"},
      {"path_open", "iiiiiIIii"},
      {"path_readlink", "iiiiii"},
      {"path_remove_directory", "iii"},
      {"path_rename", "iiiiii"},
      {"path_symlink", "iiiii"},
      {"path_unlink_file", "iii"},
      {"poll_oneoff", "iiii"},
      {"proc_raise", "i"},
      {"random_get", "ii"},
      {"sched_yield", ""},
      {"sock_accept", "iii"},
      {"sock_recv", "iiiiii"},
      {"sock_send", "iiiii"},
      {"sock_shutdown", "ii"}};
  FakeCaller caller;
  for (const auto& [name, parameters] : described) {
    const wasm::Import& found = caller.import(name);
    EXPECT_EQ(found.module, "wasi_snapshot_preview1") << name;
    EXPECT_EQ(found.parameters, parameters) << name;
    EXPECT_EQ(found.results, "i") << name;
  }
  EXPECT_EQ(caller.import("proc_exit").parameters, "i");
  EXPECT_EQ(caller.import("proc_exit").results, "");
}

TEST(Host, OffersEachImportOnce) {
  FakeCaller caller;
  std::set<std::string> names;
  for (const wasm::Import& each : caller.host().imports) {
    EXPECT_TRUE(names.insert(std::string(each.module) + "." + std::string(each.name)).second) << each.name;
    EXPECT_NE(each.function, nullptr);
  }
  EXPECT_EQ(names.size(), 46U + 11U);
}

TEST(Host, SaysWhichImportsMayWait) {
  FakeCaller caller;
  for (const wasm::Import& each : caller.host().imports) {
    EXPECT_EQ(each.may_wait, each.name == "poll_oneoff" || each.name == "random_get") << each.name;
  }
}

}  // namespace
}  // namespace canopy::guest
