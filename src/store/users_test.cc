// What Users promise, asked of the catalog in memory and of the one on disk; and what only the disk promises.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "crypto/api_key.h"
#include "crypto/box.h"
#include "store/catalog.h"
#include "store/child.h"
#include "store/redis_catalog.h"
#include "store/redis_fixture.h"
#include "store/sample.h"
#include "store/secret_key.h"
#include "store/sqlite.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::seconds;

const Actor root{.user = "root", .key = "0123456789abcdef"};

User draft_user(const std::string& name, std::vector<std::string> spaces = {}) {
  User user;
  user.name = name;
  user.spaces = std::move(spaces);
  return user;
}

Key draft_key(std::uint64_t user) {
  const crypto::NewApiKey fresh = crypto::make_api_key();
  Key key;
  key.id = fresh.id;
  key.digest = fresh.digest;
  key.user = user;
  return key;
}

enum class Kind { memory, sqlite, redis };

class UsersContract : public testing::TestWithParam<Kind> {
 protected:
  UsersContract() : catalog(make()) { clock.advance(hours(24 * 20'000)); }

  std::unique_ptr<Catalog> make() {
    if (GetParam() == Kind::memory) return make_memory_catalog(clock);
    if (GetParam() == Kind::redis) {
      const fs::path key = temp.path() / "shared.key";
      EXPECT_TRUE(SecretKeyFile(key, true).get());
      auto shared = open_redis_catalog(temp.path(), shared_redis().fresh(), clock, {.secret_key_file = key});
      EXPECT_TRUE(shared) << shared.error().message;
      return *std::move(shared);
    }
    auto opened = open_catalog(temp.path(), clock);
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }

  Users& users() { return catalog->users(); }
  std::shared_ptr<const User> add(const std::string& name, std::vector<std::string> spaces = {}) {
    auto made = users().add_user(draft_user(name, std::move(spaces)), {}, root);
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  std::vector<std::string> actions() {
    std::vector<std::string> lines;
    const auto entries = users().audit(0, 100);
    EXPECT_TRUE(entries) << entries.error().message;
    for (const AuditEntry& entry : *entries) lines.push_back(entry.action + " " + entry.target);
    return lines;
  }

  FakeClock clock;
  TempFolder temp = quick_folder();
  std::unique_ptr<Catalog> catalog;
};

INSTANTIATE_TEST_SUITE_P(Each, UsersContract, testing::Values(Kind::memory, Kind::sqlite, Kind::redis),
                         [](const auto& kind) {
                           return kind.param == Kind::memory   ? "Memory"
                                  : kind.param == Kind::sqlite ? "Sqlite"
                                                               : "Redis";
                         });

TEST_P(UsersContract, StartsWithNobody) {
  EXPECT_TRUE(users().snapshot()->users.empty());
  EXPECT_TRUE(users().audit(0, 10)->empty());
  EXPECT_TRUE(users().usage({}, 10)->empty());
}

TEST_P(UsersContract, AUserIsSeenAsItWasGivenAndOwnsItsNamespaces) {
  User draft = draft_user("bob", {"shop", "bob", "shop"});
  draft.role = Role::caller;
  draft.password_hash = "$hash";
  draft.quotas.functions = 3;
  draft.quotas.calls_per_minute = 0;
  const std::uint64_t before = users().version();
  const auto made = users().add_user(draft, draft_key(0), root);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_GT(users().version(), before);
  const auto accounts = users().snapshot();
  const User& bob = *accounts->users.at("bob");
  EXPECT_EQ(bob.spaces, (std::vector<std::string>{"bob", "shop"}));
  EXPECT_EQ(bob.role, Role::caller);
  EXPECT_EQ(bob.quotas, draft.quotas);
  EXPECT_EQ(bob.created, clock.wall_now());
  EXPECT_NE(bob.id, 0);
  EXPECT_EQ(accounts->owners.at("shop")->id, bob.id);
  EXPECT_EQ(accounts->by_id.at(bob.id), *made);
  ASSERT_EQ(accounts->keys.size(), 1);
  EXPECT_EQ(accounts->keys.begin()->second->user, bob.id);
}

TEST_P(UsersContract, RefusesNamesThatAreTakenOrNone) {
  add("bob", {"bob"});
  EXPECT_EQ(users().add_user(draft_user("bob"), {}, root).error().code, Code::conflict);
  EXPECT_EQ(users().add_user(draft_user("eve", {"bob"}), {}, root).error().code, Code::conflict);
  for (const char* bad : {"", "..", "a/b", "a b", "é"}) {
    EXPECT_EQ(users().add_user(draft_user(bad), {}, root).error().code, Code::invalid) << bad;
    EXPECT_EQ(users().add_user(draft_user("eve", {bad}), {}, root).error().code, Code::invalid) << bad;
  }
  EXPECT_EQ(users().snapshot()->users.size(), 1);
  EXPECT_EQ(actions(), (std::vector<std::string>{"user.create bob"}));
}

TEST_P(UsersContract, ChangesWhatMayChange) {
  add("bob", {"bob"});
  const auto before = users().snapshot()->users.at("bob");
  const auto change = [](User& user) -> Result<void> {
    user.id = 7;
    user.name = "mallory";
    user.role = Role::admin;
    user.disabled = true;
    user.spaces = {"shop"};
    return {};
  };
  const auto made = users().change_user("bob", change, "everything", root);
  ASSERT_TRUE(made) << made.error().message;
  const auto accounts = users().snapshot();
  const User& bob = *accounts->users.at("bob");
  EXPECT_EQ(bob.id, before->id);
  EXPECT_EQ(bob.role, Role::admin);
  EXPECT_TRUE(bob.disabled);
  EXPECT_FALSE(accounts->owners.contains("bob"));
  EXPECT_TRUE(accounts->owners.contains("shop"));
  EXPECT_FALSE(accounts->users.contains("mallory"));
  EXPECT_EQ(actions().front(), "user.change bob");

  const std::uint64_t version = users().version();
  EXPECT_TRUE(users().change_user("bob", change, "the same", root));
  EXPECT_EQ(users().version(), version);
  const auto refuses = [](User&) -> Result<void> { return fail(Code::forbidden, "no"); };
  EXPECT_EQ(users().change_user("bob", refuses, "", root).error().code, Code::forbidden);
  EXPECT_EQ(users().change_user("nil", change, "", root).error().code, Code::not_found);
}

TEST_P(UsersContract, RemovingAUserTakesKeysAndSecretsAlong) {
  const auto bob = add("bob", {"bob"});
  add("eve", {"eve"});
  ASSERT_TRUE(users().add_key(draft_key(bob->id), root));
  ASSERT_TRUE(users().set_secret({"bob", "", "TOKEN"}, "x", root));
  ASSERT_TRUE(users().set_secret({"eve", "", "TOKEN"}, "y", root));
  ASSERT_TRUE(users().remove_user("bob", root));
  const auto accounts = users().snapshot();
  EXPECT_FALSE(accounts->users.contains("bob"));
  EXPECT_FALSE(accounts->owners.contains("bob"));
  EXPECT_TRUE(accounts->keys.empty());
  EXPECT_EQ(accounts->secrets.size(), 1);
  EXPECT_EQ(users().remove_user("bob", root).error().code, Code::not_found);
  EXPECT_NE(add("bob", {"bob"})->id, bob->id);  // The same name is somebody else.
  EXPECT_EQ(users().snapshot()->secrets.size(), 1);
}

TEST_P(UsersContract, KeysComeAndGo) {
  const auto bob = add("bob");
  Key draft = draft_key(bob->id);
  draft.label = "for the till";
  draft.role = Role::caller;
  draft.spaces = {"b", "a"};
  draft.expires = clock.wall_now() + hours(1);
  const auto made = users().add_key(draft, root);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)->spaces, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ((*made)->label, "for the till");
  EXPECT_EQ((*made)->digest, draft.digest);
  EXPECT_EQ(users().add_key(draft_key(12345), root).error().code, Code::not_found);
  draft.label = std::string(51, 'x');
  EXPECT_EQ(users().add_key(draft, root).error().code, Code::invalid);
  ASSERT_TRUE(users().remove_key(draft.id, root));
  EXPECT_EQ(users().remove_key(draft.id, root).error().code, Code::not_found);
  EXPECT_TRUE(users().snapshot()->keys.empty());
}

TEST_P(UsersContract, KeysThatExpiredLongAgoMakeRoom) {
  const auto bob = add("bob");
  const auto eve = add("eve");
  for (const auto& user : {bob, eve}) {
    Key draft = draft_key(user->id);
    draft.expires = clock.wall_now() + hours(1);
    ASSERT_TRUE(users().add_key(draft, root));
  }
  ASSERT_TRUE(users().add_key(draft_key(bob->id), root));
  clock.advance(hours(24));
  ASSERT_TRUE(users().add_key(draft_key(bob->id), root));
  EXPECT_EQ(users().snapshot()->keys.size(), 4);
  clock.advance(hours(2));
  ASSERT_TRUE(users().add_key(draft_key(bob->id), root));
  EXPECT_EQ(users().snapshot()->keys.size(), 4);  // Of bob's the expired one is gone, of eve's it is there.
}

TEST_P(UsersContract, SecretsAreSetReplacedAndRemoved) {
  const SecretName name{"shop", "cart", "TOKEN"};
  EXPECT_EQ(users().set_secret(name, "one", root), true);
  EXPECT_EQ(users().set_secret(name, "two\nlines", root), false);
  EXPECT_EQ(users().set_secret({"shop", "", "TOKEN"}, "all", root), true);
  const auto accounts = users().snapshot();
  EXPECT_EQ(*accounts->secrets.at(name).value, "two\nlines");
  EXPECT_EQ(*accounts->secrets.at({"shop", "", "TOKEN"}).value, "all");
  ASSERT_TRUE(users().remove_secret(name, root));
  EXPECT_EQ(users().remove_secret(name, root).error().code, Code::not_found);
  for (const char* bad : {"", "1A", "A-B", "A=B", "A B", "É"}) {
    EXPECT_EQ(users().set_secret({"shop", "", bad}, "x", root).error().code, Code::invalid) << bad;
  }
  EXPECT_EQ(users().set_secret({"..", "", "A"}, "x", root).error().code, Code::invalid);
  EXPECT_EQ(users().set_secret({"shop", "", "A"}, std::string("x\0y", 3), root).error().code, Code::invalid);
  const std::string large(secret_size_max + 1, 'x');
  EXPECT_EQ(users().set_secret({"shop", "", "A"}, large, root).error().code, Code::too_large);
  for (const std::string& line : actions()) EXPECT_EQ(line.find("two"), std::string::npos) << line;
}

TEST_P(UsersContract, UsageAddsUpByDayUserAndFunction) {
  const auto bob = add("bob", {"bob"});
  DayUsage row{.day = 20'000, .user = bob->id, .function = {"bob", "a"}, .call_count = 2, .error_count = 1};
  row.run_time = seconds(3);
  row.memory_kib_us = 7;
  DayUsage other = row;
  other.function.name = "b";
  DayUsage later = row;
  later.day = 20'001;
  ASSERT_TRUE(users().add_usage({row, other}));
  ASSERT_TRUE(users().add_usage({row, later}));
  const auto rows = users().usage({}, 100);
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 3);
  EXPECT_EQ((*rows)[0].usage.call_count, 4);
  EXPECT_EQ((*rows)[0].usage.error_count, 2);
  EXPECT_EQ((*rows)[0].usage.run_time, seconds(6));
  EXPECT_EQ((*rows)[0].usage.memory_kib_us, 14);
  EXPECT_EQ((*rows)[0].user_name, "bob");
  EXPECT_EQ((*rows)[1].usage.function.name, "b");
  EXPECT_EQ(users().usage({.user = bob->id, .first_day = 20'001}, 100)->size(), 1);
  EXPECT_EQ(users().usage({.user = 5}, 100)->size(), 0);
  EXPECT_EQ(users().usage({.space = "bob", .function = "b"}, 100)->size(), 1);
  EXPECT_EQ(users().usage({}, 2)->size(), 2);
}

TEST_P(UsersContract, UsageComesInPagesByDayOrAddedUp) {
  const auto bob = add("bob", {"bob", "shop"});
  std::vector<DayUsage> rows;
  for (const std::int64_t day : {20'000, 20'001, 20'002}) {
    for (const char* name : {"bob/a", "bob/b", "shop/a"}) {
      rows.push_back({.day = day,
                      .user = bob->id,
                      .function = *parse_function_name(name),
                      .call_count = static_cast<std::uint64_t>(day - 19'999)});
    }
  }
  ASSERT_TRUE(users().add_usage(rows));
  const auto walk = [&](UsageFilter filter) {
    std::string seen;
    for (;;) {
      const auto page = users().usage(filter, 2);
      EXPECT_TRUE(page) << page.error().message;
      if (!page || page->empty()) return seen;
      for (const UsageRow& row : *page) {
        const std::int64_t day = row.usage.day;
        seen += (day == 0 ? "" : std::to_string(day) + " ") + to_text(row.usage.function) + " " +
                std::to_string(row.usage.call_count) + "\n";
        filter.after = UsagePlace{.day = day, .user = row.usage.user, .function = row.usage.function};
      }
    }
  };
  EXPECT_EQ(walk({.by_day = false}), "bob/a 6\nbob/b 6\nshop/a 6\n");
  EXPECT_EQ(walk({.first_day = 20'001, .by_day = false}), "bob/a 5\nbob/b 5\nshop/a 5\n");
  EXPECT_EQ(walk({.user = bob->id, .space = "bob", .function = "b"}),
            "20000 bob/b 1\n20001 bob/b 2\n20002 bob/b 3\n");
  const auto only_shop = [](std::string_view space) { return space == "shop"; };
  EXPECT_EQ(walk({.visible = only_shop}), "20000 shop/a 1\n20001 shop/a 2\n20002 shop/a 3\n");
  EXPECT_EQ(walk({.by_day = false, .visible = only_shop}), "shop/a 6\n");
}

TEST_P(UsersContract, UsageOfLongAgoIsForgotten) {
  const DayUsage old{.day = 20'000, .function = {"bob", "a"}, .call_count = 1};
  DayUsage fresh = old;
  fresh.day = old.day + usage_days_max + 1;
  ASSERT_TRUE(users().add_usage({old}));
  ASSERT_TRUE(users().add_usage({fresh}));
  const auto rows = users().usage({}, 10);
  ASSERT_EQ(rows->size(), 1);
  EXPECT_EQ(rows->front().usage.day, fresh.day);
}

TEST_P(UsersContract, TheAuditLogSaysWhoDidWhatNewestFirst) {
  add("bob", {"bob"});
  const Function function = sample_function("bob/a");
  ASSERT_TRUE(deploy(*catalog, function, sample_code, {.actor = {.user = "bob", .key = "k"}}));
  clock.advance(seconds(5));
  ASSERT_TRUE(catalog->remove(function.name, {.actor = root}));
  const auto entries = users().audit(0, 2);
  ASSERT_TRUE(entries) << entries.error().message;
  ASSERT_EQ(entries->size(), 2);
  EXPECT_EQ((*entries)[0].action, "function.remove");
  EXPECT_EQ((*entries)[0].target, "bob/a");
  EXPECT_EQ((*entries)[1].user, "bob");
  EXPECT_EQ((*entries)[1].key, "k");
  EXPECT_EQ((*entries)[1].detail, "version 1");
  EXPECT_EQ((*entries)[0].at - (*entries)[1].at, seconds(5));
  const auto more = users().audit((*entries)[1].id, 10);
  ASSERT_EQ(more->size(), 1);
  EXPECT_EQ(more->front().action, "user.create");
}

class UsersOnDisk : public testing::Test {
 protected:
  Result<std::unique_ptr<Catalog>> open(const fs::path& key_file = {}) const {
    return open_catalog(temp.path(), clock, {.secret_key_file = key_file});
  }
  fs::path database_file() const { return fs::canonical(temp.path()) / "catalog.db"; }
  std::string everything() const {
    std::string all;
    for (const auto& entry : fs::directory_iterator(temp.path())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }

  FakeClock clock;
  TempFolder temp = quick_folder();
};

TEST_F(UsersOnDisk, AreThereAgain) {
  Accounts before;
  {
    const auto catalog = *open();
    User bob = draft_user("bob", {"bob", "shop"});
    bob.quotas.code_bytes = 5;
    bob.password_hash = "$argon2id$x";
    const auto made = *catalog->users().add_user(bob, draft_key(0), root);
    Key key = draft_key(made->id);
    key.label = "till \xff";
    key.spaces = {"a", "b"};
    key.expires = WallTime(hours(5));
    ASSERT_TRUE(catalog->users().add_key(key, root));
    ASSERT_TRUE(catalog->users().set_secret({"bob", "f", "TOKEN"}, "hidden words", root));
    before = *catalog->users().snapshot();
  }
  const auto catalog = open();
  ASSERT_TRUE(catalog) << catalog.error().message;
  const auto after = (*catalog)->users().snapshot();
  ASSERT_EQ(after->users.size(), 1);
  EXPECT_EQ(*after->users.at("bob"), *before.users.at("bob"));
  ASSERT_EQ(after->keys.size(), 2);
  for (const auto& [id, key] : before.keys) EXPECT_EQ(*after->keys.at(id), *key);
  EXPECT_EQ(*after->secrets.at({"bob", "f", "TOKEN"}).value, "hidden words");
  EXPECT_EQ((*catalog)->users().audit(0, 10)->size(), 3);
}

TEST_F(UsersOnDisk, NeitherKeysNorSecretsLieThereAsTheyAre) {
  const crypto::NewApiKey fresh = crypto::make_api_key();
  const auto catalog = *open();
  Key key = draft_key(0);
  key.digest = fresh.digest;
  key.id = fresh.id;
  ASSERT_TRUE(catalog->users().add_user(draft_user("bob"), key, root));
  ASSERT_TRUE(catalog->users().set_secret({"bob", "", "TOKEN"}, "hidden words", root));
  const std::string all = everything();
  EXPECT_NE(all.find("TOKEN"), std::string::npos);
  EXPECT_NE(all.find(fresh.id), std::string::npos);
  EXPECT_EQ(all.find("hidden words"), std::string::npos);
  EXPECT_EQ(all.find(crypto::parse_api_key(fresh.text)->secret), std::string::npos);
  EXPECT_EQ(static_cast<unsigned>(fs::status(temp.path() / "secret.key").permissions()), 0600U);
}

TEST_F(UsersOnDisk, SecretsWithoutTheirKeyAreRefused) {
  {
    ASSERT_TRUE((*open())->users().set_secret({"bob", "", "TOKEN"}, "x", root));
  }
  const fs::path key = temp.path() / "secret.key";
  fs::rename(key, temp.path() / "kept");
  auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::refused);
  EXPECT_NE(opened.error().message.find("secret.key"), std::string::npos);

  std::ofstream(key) << std::string(64, 'a') << '\n';
  fs::permissions(key, fs::perms::owner_read | fs::perms::owner_write);
  opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("was not sealed with the key"), std::string::npos);

  std::ofstream(key) << "no key\n";
  EXPECT_NE(open().error().message.find("holds no key"), std::string::npos);

  fs::rename(temp.path() / "kept", key);
  fs::permissions(key, fs::perms::all);
  EXPECT_NE(open().error().message.find("chmod 600"), std::string::npos);
  fs::permissions(key, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(open());
}

TEST_F(UsersOnDisk, AKeyFileThatIsNamedIsUsedAndNeverMade) {
  const fs::path elsewhere = temp.path() / "elsewhere.key";
  {
    const auto catalog = *open(elsewhere);
    const auto set = catalog->users().set_secret({"bob", "", "TOKEN"}, "x", root);
    ASSERT_FALSE(set);
    EXPECT_NE(set.error().message.find("openssl rand -hex 32 >" + elsewhere.string()), std::string::npos);
    EXPECT_EQ(set.error().message.find("restore"), std::string::npos) << set.error().message;
    EXPECT_TRUE(catalog->users().snapshot()->secrets.empty());
  }
  std::ofstream(elsewhere) << crypto::to_hex(crypto::make_box_key()) << '\n';
  fs::permissions(elsewhere, fs::perms::owner_read | fs::perms::owner_write);
  {
    ASSERT_TRUE((*open(elsewhere))->users().set_secret({"bob", "", "TOKEN"}, "x", root));
  }
  EXPECT_FALSE(fs::exists(temp.path() / "secret.key"));
  EXPECT_TRUE(open(elsewhere));
  const fs::path unused = temp.path() / "unused.key";
  std::ofstream(unused) << crypto::to_hex(crypto::make_box_key()) << '\n';
  fs::permissions(unused, fs::perms::all);
  const TempFolder fresh = *TempFolder::make();
  const auto bare = open_catalog(fresh.path(), clock, {.secret_key_file = unused});
  ASSERT_FALSE(bare);
  EXPECT_NE(bare.error().message.find("chmod 600"), std::string::npos) << bare.error().message;
  EXPECT_FALSE(open());
}

// A bit of the disk turns a caller into an administrator: not here.
TEST_F(UsersOnDisk, ARowThatWasChangedIsRefused) {
  {
    const auto catalog = *open();
    ASSERT_TRUE(catalog->users().add_user(draft_user("bob", {"bob"}), draft_key(0), root));
  }
  for (const char* change : {"UPDATE users SET role = 2", "UPDATE users SET disabled = 1",
                             "UPDATE users SET functions = 5", "UPDATE namespaces SET space = 'other'",
                             "UPDATE keys SET role = 2", "UPDATE keys SET expires_ns = 99",
                             "UPDATE keys SET digest = zeroblob(32)", "UPDATE users SET role = 200"}) {
    {
      auto database = *Database::open(database_file());
      ASSERT_TRUE(database.execute("BEGIN")) << change;
      ASSERT_TRUE(database.execute(change)) << change;
      ASSERT_TRUE(database.execute("COMMIT")) << change;
    }
    const auto opened = open();
    ASSERT_FALSE(opened) << change;
    EXPECT_EQ(opened.error().code, Code::refused) << change;
    EXPECT_NE(opened.error().message.find("does not match its checksum"), std::string::npos) << change;
    auto database = *Database::open(database_file());
    ASSERT_TRUE(
        database.execute("UPDATE users SET role = 1, disabled = 0, functions = NULL;"
                         "UPDATE namespaces SET space = 'bob'"));
    if (std::string(change).find("keys") != std::string::npos) break;
  }
}

// What was acknowledged is there after kill -9.
TEST_F(UsersOnDisk, SurviveAKill) {
  const int code = run_in_child([this] {
    const auto catalog = *open();
    const bool made = catalog->users().add_user(draft_user("bob", {"bob"}), draft_key(0), root).has_value();
    const bool set = catalog->users().set_secret({"bob", "", "TOKEN"}, "x", root).has_value();
    if (!made || !set) _exit(2);
    _exit(7);  // No destructor runs.
    return 0;
  });
  ASSERT_EQ(code, 7);
  const auto catalog = open();
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_TRUE((*catalog)->users().snapshot()->users.contains("bob"));
  EXPECT_EQ((*catalog)->users().snapshot()->secrets.size(), 1);
}

}  // namespace
}  // namespace canopy::store
