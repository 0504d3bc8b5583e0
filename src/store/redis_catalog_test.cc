// What a catalog in Redis promises beside catalog_contract_test.cc and users_test.cc: servers that share it
// see the same, whoever changes it.

#include "store/redis_catalog.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "crypto/api_key.h"
#include "store/redis_fixture.h"
#include "store/redis_replica.h"
#include "store/sample.h"
#include "store/secret_key.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

const Actor root{.user = "root", .key = ""};

class TwoCatalogs : public testing::Test {
 protected:
  TwoCatalogs() {
    shared_redis().fresh();
    EXPECT_TRUE(SecretKeyFile(key, true).get());
    first = open(first_folder);
    second = open(second_folder);
  }

  std::unique_ptr<Catalog> open(const TempFolder& folder) {
    auto opened =
        open_redis_catalog(folder.path(), shared_redis().address(), clock, {.secret_key_file = key});
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }
  static std::uint32_t version_of(const Catalog& catalog, std::string_view name) {
    const auto snapshot = catalog.snapshot();
    const auto at = snapshot->functions.find(*parse_function_name(name));
    return at == snapshot->functions.end() ? 0 : at->second->version;
  }

  FakeClock clock;
  TempFolder first_folder = quick_folder();
  TempFolder second_folder = quick_folder();
  const fs::path key = first_folder.path() / "shared.key";
  std::unique_ptr<Catalog> first;
  std::unique_ptr<Catalog> second;
};

TEST_F(TwoCatalogs, WhatOnePutsTheOtherSeesWithItsCode) {
  const auto put = deploy(*first, sample_function("demo/hello"), "the code");
  ASSERT_TRUE(put) << put.error().message;
  ASSERT_TRUE(comes_true([&] { return version_of(*second, "demo/hello") == 1; }));
  const auto path = second->code_path(put->function->digest);
  ASSERT_TRUE(path) << path.error().message;
  std::ifstream file(*path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "the code");
  EXPECT_TRUE(path->string().starts_with(second_folder.path().string()));

  ASSERT_TRUE(deploy(*second, sample_function("demo/hello"), "newer code"));
  ASSERT_TRUE(comes_true([&] { return version_of(*first, "demo/hello") == 2; }));
  EXPECT_EQ(first->versions(*parse_function_name("demo/hello"))->size(), 2U);
  ASSERT_TRUE(first->rollback(*parse_function_name("demo/hello"), 0));
  ASSERT_TRUE(comes_true([&] { return version_of(*second, "demo/hello") == 1; }));
  ASSERT_TRUE(second->remove(*parse_function_name("demo/hello")));
  ASSERT_TRUE(comes_true([&] { return version_of(*first, "demo/hello") == 0; }));
  EXPECT_EQ(first->users().audit(0, 10)->size(), 4U);
}

TEST_F(TwoCatalogs, WhoCannotWaitAsksForWhatOthersChanged) {
  for (std::uint32_t version = 1; version <= 20; ++version) {
    ASSERT_TRUE(deploy(*first, sample_function("demo/hello"), "code " + std::to_string(version)));
    ASSERT_TRUE(second->catch_up());
    ASSERT_EQ(version_of(*second, "demo/hello"), version);
  }
}

TEST_F(TwoCatalogs, UsersKeysAndSecretsAreOfBoth) {
  User bob;
  bob.name = "bob";
  bob.spaces = {"shop"};
  const auto made = first->users().add_user(bob, {}, root);
  ASSERT_TRUE(made);
  ASSERT_TRUE(first->users().set_secret({.space = "shop", .function = "", .name = "WORD"}, "hush", root));
  ASSERT_TRUE(comes_true([&] { return second->users().snapshot()->secrets.size() == 1; }));
  EXPECT_EQ(*second->users().snapshot()->secrets.begin()->second.value, "hush");
  EXPECT_EQ(second->users().snapshot()->owners.at("shop")->id, (*made)->id);
  // The other knows at once, whatever its snapshot says.
  EXPECT_EQ(second->users().add_user(bob, {}, root).error().code, Code::conflict);
  ASSERT_TRUE(second->users().remove_user("bob", root));
  ASSERT_TRUE(comes_true([&] { return first->users().snapshot()->users.empty(); }));
  EXPECT_TRUE(first->users().snapshot()->secrets.empty());
}

TEST_F(TwoCatalogs, ChangesOfBothAtOnceAreAllThere) {
  constexpr int change_count = 30;
  std::vector<std::jthread> threads;
  for (Catalog* const catalog : {first.get(), second.get(), first.get(), second.get()}) {
    threads.emplace_back([catalog] {
      for (int i = 0; i < change_count; ++i) {
        const auto put =
            deploy(*catalog, sample_function("demo/hello"), "code " + std::to_string(std::rand()));
        ASSERT_TRUE(put) << put.error().message;
        ASSERT_TRUE(catalog->users().add_usage(
            {{.day = 20'000, .user = 1, .function = {"demo", "hello"}, .call_count = 1}}));
      }
    });
  }
  threads.clear();
  ASSERT_TRUE(
      comes_true([&] { return version_of(*first, "demo/hello") == version_of(*second, "demo/hello"); }));
  for (Catalog* const catalog : {first.get(), second.get()}) {
    ASSERT_TRUE(comes_true([&] {
      const auto rows = catalog->users().usage({}, 10);
      return rows && rows->size() == 1 && rows->front().usage.call_count == 4 * change_count;
    }));
  }
}

TEST_F(TwoCatalogs, ALongListOfChangesIsFoldedAndWhoComesLaterSeesTheSame) {
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(first->users().add_usage(
        {{.day = 20'000, .user = 1, .function = {"demo", "hello"}, .call_count = 1}}));
  }
  ASSERT_TRUE(deploy(*first, sample_function("demo/hello")));
  EXPECT_LT(shared_redis().run({"LLEN", "canopy:catalog:log"}).number, 200);
  second.reset();
  second = open(second_folder);
  EXPECT_EQ(version_of(*second, "demo/hello"), 1U);
  EXPECT_EQ(second->users().usage({}, 10)->front().usage.call_count, 600U);
}

TEST_F(TwoCatalogs, WhatIsDamagedIsNotTakenIn) {
  ASSERT_TRUE(deploy(*first, sample_function("demo/hello")));
  ASSERT_TRUE(comes_true([&] { return version_of(*second, "demo/hello") == 1; }));
  shared_redis().run({"LSET", "canopy:catalog:log", "0", "no change"});
  second.reset();
  const auto again = open_redis_catalog(second_folder.path(), shared_redis().address(), clock);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::refused);
  EXPECT_NE(again.error().message.find("damaged"), std::string::npos) << again.error().message;
}

TEST_F(TwoCatalogs, WhatIsDamagedWhileTheyRunIsNoFaultOfWhoAsks) {
  ASSERT_TRUE(deploy(*first, sample_function("demo/hello")));
  shared_redis().run({"RPUSH", "canopy:catalog:log", "no change"});
  shared_redis().run({"HINCRBY", "canopy:catalog", "version", "1"});
  const auto put = deploy(*first, sample_function("demo/other"));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Code::unavailable);
  EXPECT_NE(put.error().message.find("damaged"), std::string::npos) << put.error().message;
}

TEST_F(TwoCatalogs, DamagedCodeIsNotServed) {
  const auto put = deploy(*first, sample_function("demo/hello"), "the code");
  ASSERT_TRUE(comes_true([&] { return version_of(*second, "demo/hello") == 1; }));
  shared_redis().run({"SET", "canopy:code:" + put->function->digest, "other code"});
  EXPECT_EQ(second->code_path(put->function->digest).error().code, Code::internal);
}

TEST_F(TwoCatalogs, CodeThatNobodyNamesIsSweptAfterAnHour) {
  const std::string digest = *first->put_code("unused");
  ASSERT_TRUE(deploy(*first, sample_function("demo/hello"), "used"));
  ASSERT_TRUE(first->sweep());
  EXPECT_EQ(shared_redis().run({"EXISTS", "canopy:code:" + digest}).number, 1);
  clock.advance(std::chrono::hours(2));
  ASSERT_TRUE(first->sweep());
  EXPECT_EQ(shared_redis().run({"EXISTS", "canopy:code:" + digest}).number, 0);
  EXPECT_EQ(shared_redis().run({"ZCARD", "canopy:codes"}).number, 1);
}

TEST(RedisCatalog, WhileRedisIsAwayWhatIsThereIsServedAndNothingChanges) {
  FakeClock clock;
  RedisServer server("always");
  const TempFolder folder = quick_folder();
  auto catalog = open_redis_catalog(folder.path(), server.address(), clock);
  ASSERT_TRUE(catalog) << catalog.error().message;
  ASSERT_TRUE(deploy(**catalog, sample_function("demo/hello")));
  server.kill();
  EXPECT_EQ((*catalog)->snapshot()->functions.size(), 1U);
  EXPECT_TRUE((*catalog)->versions(*parse_function_name("demo/hello")));
  EXPECT_EQ((*catalog)->remove(*parse_function_name("demo/hello")).error().code, Code::unavailable);
  EXPECT_EQ((*catalog)->snapshot()->functions.size(), 1U);
  server.start();
  EXPECT_TRUE(comes_true([&] { return (*catalog)->remove(*parse_function_name("demo/hello")).has_value(); }));
  EXPECT_TRUE((*catalog)->snapshot()->functions.empty());
}

TEST(RedisCatalog, SecretsNeedAKeyThatAllServersHave) {
  FakeClock clock;
  const TempFolder folder = quick_folder();
  auto catalog = open_redis_catalog(folder.path(), shared_redis().fresh(), clock);
  ASSERT_TRUE(catalog);
  const auto set =
      (*catalog)->users().set_secret({.space = "shop", .function = "", .name = "WORD"}, "hush", {});
  ASSERT_FALSE(set);
  EXPECT_FALSE(fs::exists(folder.path() / "secret.key"));
}

TEST(RedisCatalog, AServerWithAnotherKeyForSecretsStillLearnsWhoWasRemoved) {
  FakeClock clock;
  const TempFolder folder = quick_folder();
  const TempFolder other_folder = quick_folder();
  const auto key_file = [](const TempFolder& in, char digit) {
    fs::path path = in.path() / "key";
    std::ofstream(path) << std::string(64, digit) << '\n';
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    return path;
  };
  const auto address = shared_redis().fresh();
  auto here = open_redis_catalog(folder.path(), address, clock, {.secret_key_file = key_file(folder, 'a')});
  ASSERT_TRUE(here) << here.error().message;
  auto there = open_redis_catalog(other_folder.path(), address, clock,
                                  {.secret_key_file = key_file(other_folder, 'b')});
  ASSERT_TRUE(there) << there.error().message;
  const auto knows_bob = [&] { return (*there)->users().snapshot()->users.contains("bob"); };

  ASSERT_TRUE((*here)->users().set_secret({.space = "shop", .function = "", .name = "WORD"}, "hush", {}));
  User bob;
  bob.name = "bob";
  ASSERT_TRUE((*here)->users().add_user(bob, std::nullopt, {}));
  EXPECT_TRUE(comes_true(knows_bob));
  ASSERT_TRUE((*here)->users().remove_user("bob", {}));
  EXPECT_TRUE(comes_true([&] { return !knows_bob(); }));
  // It knows that there is a secret, and that it cannot say which.
  const auto accounts = (*there)->users().snapshot();
  ASSERT_EQ(accounts->secrets.size(), 1U);
  EXPECT_EQ(accounts->secrets.begin()->second.value, nullptr);
  EXPECT_NE(accounts->unopened.find("--secret-key-file"), std::string::npos);
}

TEST(RedisReplica, AChangeFitsItsPlaceAlone) {
  const std::string sealed = seal_change("change", 7, "bytes");
  EXPECT_EQ(open_change("change", 7, sealed), "bytes");
  EXPECT_FALSE(open_change("change", 8, sealed));
  EXPECT_FALSE(open_change("rows", 7, sealed));
  EXPECT_FALSE(open_change("change", 7, sealed.substr(1)));
  EXPECT_FALSE(open_change("change", 7, "short"));
}

}  // namespace
}  // namespace canopy::store
