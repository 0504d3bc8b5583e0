#include "store/sqlite_users.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/id.h"
#include "base/log.h"
#include "store/user_rows.h"

namespace canopy::store {
namespace {

constexpr std::size_t label_characters_max = 50;
constexpr std::size_t variable_size_max = 255;
constexpr Duration expired_key_age = std::chrono::hours(24);  // So long it can still be asked after.

// Of UTF-8: all bytes but those that continue a character.
std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](unsigned char byte) { return (byte & 0xC0U) != 0x80U; }));
}

tl::unexpected<Error> no_user(std::string_view name) {
  return fail(Code::not_found, "there is no user " + log_safe(name, 80) + "; /v1/users lists who there is");
}

tl::unexpected<Error> no_key(std::string_view id) {
  return fail(Code::not_found, "there is no key " + log_safe(id, 80) + "; /v1/keys lists what there is");
}

std::string place_of(const SecretName& name) {
  return std::string("canopy secret") + '\0' + name.space + '\0' + name.function + '\0' + name.name;
}

std::string text_of(const SecretName& name) {
  return name.space + "/" + (name.function.empty() ? "" : name.function + "/") + name.name;
}

bool is_variable(std::string_view name) {
  if (name.empty() || name.size() > variable_size_max || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
         std::string_view::npos;
}

Result<void> check_spaces(std::vector<std::string>& spaces) {
  std::ranges::sort(spaces);
  spaces.erase(std::unique(spaces.begin(), spaces.end()), spaces.end());
  for (const std::string& space : spaces) {
    if (is_name_part(space)) continue;
    return fail(Code::invalid, "'" + log_safe(space, 80) +
                                   "' is no name of a namespace: 1 to 63 letters, "
                                   "digits, '-', '_' or '.'");
  }
  if (spaces.size() <= spaces_per_user_max) return {};
  return fail(Code::exhausted,
              "a user may have " + std::to_string(spaces_per_user_max) + " namespaces and no more");
}

// Damage that shows only later is ours to answer for, not the client's.
tl::unexpected<Error> explain(std::string_view attempt, const Error& error) {
  const Code code = error.code == Code::refused ? Code::internal : error.code;
  return fail(code, "cannot " + std::string(attempt) + ": " + error.message);
}

class SqliteUsers final : public TableUsers {
 public:
  SqliteUsers(Database& database, std::mutex& mutex, SecretKeyFile secret_key, const Clock& clock)
      : database_(database), mutex_(mutex), clock_(clock), secret_key_(std::move(secret_key)) {}

  Result<void> start() {
    CANOPY_TRY(auto accounts, read(false));
    snapshot_ = std::make_shared<const Accounts>(std::move(accounts));
    return {};
  }

  // With another key than the other servers have: who was removed or lost a key is not to wait for that.
  Result<void> reload() override {
    CANOPY_TRY(auto accounts, read(true));
    if (!accounts.unopened.empty() && accounts.unopened != unopened_) {
      log::error("{}; until then the functions that need the secrets that it opens are not run here",
                 accounts.unopened);
    }
    unopened_ = accounts.unopened;
    publish(std::make_shared<const Accounts>(std::move(accounts)));
    return {};
  }

  // `lenient`: secrets that cannot be opened are there without their values, and why is said beside.
  Result<Accounts> read(bool lenient) {
    Accounts accounts;
    CANOPY_TRY(auto users, read_users(database_));
    for (User& user : users) place(accounts, std::make_shared<const User>(std::move(user)));
    CANOPY_TRY(auto keys, read_keys(database_));
    for (Key& key : keys) {
      std::string id = key.id;
      accounts.keys.insert_or_assign(std::move(id), std::make_shared<const Key>(std::move(key)));
    }
    CANOPY_TRY(const auto secrets, read_secrets(database_));
    for (const SealedSecret& secret : secrets) {
      auto value = open_secret(secret);
      if (!value && !lenient) return tl::unexpected(std::move(value).error());
      Secret& kept = accounts.secrets[secret.name];
      kept.changed = secret.changed;
      if (value) {
        kept.value = std::make_shared<const std::string>(*std::move(value));
      } else {
        accounts.unopened = value.error().message;
      }
    }
    return accounts;
  }

  Result<std::string> open_secret(const SealedSecret& secret) {
    CANOPY_TRY(const crypto::BoxKey key, secret_key_.get_existing());
    auto value = crypto::open(key, place_of(secret.name), secret.sealed);
    if (value) return *std::move(value);
    return fail(Code::refused, "the secret " + text_of(secret.name) + " was not sealed with the key in " +
                                   secret_key_.path().string() +
                                   "; restore that file from a backup, or name the right one with "
                                   "--secret-key-file");
  }

  std::uint64_t version() const override { return version_.load(std::memory_order_acquire); }
  std::shared_ptr<const Accounts> snapshot() const override {
    const std::lock_guard lock(snapshot_mutex_);
    return snapshot_;
  }

  Result<std::shared_ptr<const User>> add_user(User user, std::optional<Key> key,
                                               const Actor& actor) override {
    if (!is_name_part(user.name)) {
      return fail(Code::invalid, "'" + log_safe(user.name, 80) +
                                     "' is no name for a user: 1 to 63 letters, "
                                     "digits, '-', '_' or '.'");
    }
    CANOPY_TRY_VOID(check_spaces(user.spaces));
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    if (now->users.contains(user.name)) {
      return fail(Code::conflict, "there is a user " + user.name + " already; choose another name");
    }
    if (now->users.size() >= user_count_max) {
      return fail(Code::exhausted, "there are as many users as may be: " + std::to_string(user_count_max));
    }
    do fill_random(&user.id, sizeof(user.id));
    while ((user.id >>= 1U) == 0 || now->by_id.contains(user.id));
    user.created = clock_.wall_now();
    CANOPY_TRY_VOID(check_owners(*now, user));
    if (key) {
      key->user = user.id;
      key->created = user.created;
      if (now->keys.contains(key->id)) return fail(Code::internal, "two keys got the same id; try again");
    }
    const auto write = [&]() -> Result<void> {
      CANOPY_TRY_VOID(write_user(database_, user));
      return key ? insert_key(database_, *key) : Result<void>();
    };
    const std::string detail = "role " + std::string(name(user.role)) + (key ? ", key " + key->id : "");
    CANOPY_TRY_VOID(commit("user.create", user.name, detail, actor, write));
    auto fresh = std::make_shared<Accounts>(*now);
    const auto made = std::make_shared<const User>(std::move(user));
    place(*fresh, made);
    if (key) fresh->keys[key->id] = std::make_shared<const Key>(*key);
    publish(std::move(fresh));
    return made;
  }

  Result<std::shared_ptr<const User>> change_user(std::string_view name,
                                                  const std::function<Result<void>(User&)>& change,
                                                  std::string_view what, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    const auto at = now->users.find(name);
    if (at == now->users.end()) return no_user(name);
    const User& before = *at->second;
    User after = before;
    CANOPY_TRY_VOID(change(after));
    after.id = before.id;
    after.name = before.name;
    after.created = before.created;
    CANOPY_TRY_VOID(check_spaces(after.spaces));
    CANOPY_TRY_VOID(check_owners(*now, after));
    if (after == before) return at->second;
    const auto write = [&] { return write_user(database_, after); };
    CANOPY_TRY_VOID(commit("user.change", name, what, actor, write));
    auto fresh = std::make_shared<Accounts>(*now);
    take_away(*fresh, before);
    const auto made = std::make_shared<const User>(std::move(after));
    place(*fresh, made);
    publish(std::move(fresh));
    return made;
  }

  Result<void> remove_user(std::string_view name, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    const auto at = now->users.find(name);
    if (at == now->users.end()) return no_user(name);
    const auto user = at->second;
    auto fresh = std::make_shared<Accounts>(*now);
    take_away(*fresh, *user);
    std::erase_if(fresh->keys, [&user](const auto& entry) { return entry.second->user == user->id; });
    std::vector<SecretName> gone;
    for (const auto& [secret, value] : fresh->secrets) {
      if (std::ranges::binary_search(user->spaces, secret.space)) gone.push_back(secret);
    }
    for (const SecretName& secret : gone) fresh->secrets.erase(secret);
    const auto write = [&]() -> Result<void> {
      for (const SecretName& secret : gone) CANOPY_TRY_VOID(erase_secret(database_, secret));
      return erase_user(database_, user->id);
    };
    CANOPY_TRY_VOID(commit("user.remove", name, "", actor, write));
    publish(std::move(fresh));
    return {};
  }

  Result<std::shared_ptr<const Key>> add_key(Key key, const Actor& actor) override {
    CANOPY_TRY_VOID(check_spaces(key.spaces));
    if (count_characters(key.label) > label_characters_max) {
      return fail(Code::invalid,
                  "a label has at most " + std::to_string(label_characters_max) + " characters");
    }
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    const auto user = now->by_id.find(key.user);
    if (user == now->by_id.end()) return no_user("of that id");
    key.created = clock_.wall_now();
    std::size_t count = 0;
    std::vector<std::string> expired;
    for (const auto& [id, known] : now->keys) {
      if (known->user != key.user) continue;
      ++count;
      const bool has_end = known->expires != WallTime();
      if (has_end && known->expires + expired_key_age < key.created) expired.push_back(id);
    }
    if (count - expired.size() >= keys_per_user_max) {
      return fail(Code::exhausted, user->second->name + " has as many keys as a user may: " +
                                       std::to_string(keys_per_user_max) + "; revoke some");
    }
    if (now->keys.contains(key.id)) return fail(Code::internal, "two keys got the same id; try again");
    const auto write = [&]() -> Result<void> {
      for (const std::string& id : expired) CANOPY_TRY_VOID(erase_key(database_, id));
      return insert_key(database_, key);
    };
    const std::string detail = "for " + user->second->name + ", role " + std::string(name(key.role));
    CANOPY_TRY_VOID(commit("key.create", key.id, detail, actor, write));
    auto fresh = std::make_shared<Accounts>(*now);
    const auto made = std::make_shared<const Key>(std::move(key));
    for (const std::string& id : expired) fresh->keys.erase(id);
    fresh->keys[made->id] = made;
    publish(std::move(fresh));
    return made;
  }

  Result<void> remove_key(std::string_view id, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    const auto at = now->keys.find(id);
    if (at == now->keys.end()) return no_key(id);
    const auto user = now->by_id.find(at->second->user);
    const auto write = [&] { return erase_key(database_, id); };
    const std::string detail = user == now->by_id.end() ? "" : "of " + user->second->name;
    CANOPY_TRY_VOID(commit("key.revoke", id, detail, actor, write));
    auto fresh = std::make_shared<Accounts>(*now);
    fresh->keys.erase(fresh->keys.find(id));
    publish(std::move(fresh));
    return {};
  }

  Result<bool> set_secret(const SecretName& name, std::string_view value, const Actor& actor) override {
    CANOPY_TRY_VOID(check_secret(name, value));
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    const bool is_new = !now->secrets.contains(name);
    const auto of_space = [&name](const auto& entry) { return entry.first.space == name.space; };
    if (is_new &&
        std::ranges::count_if(now->secrets, of_space) >= static_cast<std::ptrdiff_t>(secrets_per_space_max)) {
      return fail(Code::exhausted, name.space + " has as many secrets as a namespace may: " +
                                       std::to_string(secrets_per_space_max) + "; remove some");
    }
    auto key = secret_key_.get();
    if (!key) return explain("seal a secret", key.error());
    const SealedSecret sealed{
        .name = name, .sealed = crypto::seal(*key, place_of(name), value), .changed = clock_.wall_now()};
    const auto write = [&] { return write_secret(database_, sealed); };
    CANOPY_TRY_VOID(commit("secret.set", text_of(name), "", actor, write));
    auto fresh = std::make_shared<Accounts>(*now);
    fresh->secrets[name] = {.value = std::make_shared<const std::string>(value), .changed = sealed.changed};
    publish(std::move(fresh));
    return is_new;
  }

  Result<void> remove_secret(const SecretName& name, const Actor& actor) override {
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    if (!now->secrets.contains(name)) {
      return fail(Code::not_found,
                  "there is no secret " + log_safe(text_of(name), 200) + "; /v1/secrets lists what there is");
    }
    const auto write = [&] { return erase_secret(database_, name); };
    CANOPY_TRY_VOID(commit("secret.remove", text_of(name), "", actor, write));
    auto fresh = std::make_shared<Accounts>(*now);
    fresh->secrets.erase(name);
    publish(std::move(fresh));
    return {};
  }

  Result<void> add_usage(const std::vector<DayUsage>& rows) override {
    if (rows.empty()) return {};
    const std::lock_guard lock(mutex_);
    const auto now = snapshot();
    const auto done = [&]() -> Result<void> {
      CANOPY_TRY(Transaction transaction, Transaction::begin(database_));
      std::int64_t today = 0;
      for (const DayUsage& row : rows) {
        const auto user = now->by_id.find(row.user);
        const std::string user_name = user == now->by_id.end() ? "" : user->second->name;
        CANOPY_TRY_VOID(add_usage_row(database_, row, user_name));
        today = std::max(today, row.day);
      }
      CANOPY_TRY_VOID(erase_usage_before(database_, today - usage_days_max));
      return transaction.commit();
    }();
    if (!done) return explain("write down what was used", done.error());
    return {};
  }

  Result<std::vector<UsageRow>> usage(const UsageFilter& filter, std::size_t limit) const override {
    const std::lock_guard lock(mutex_);
    auto rows = read_usage(database_, filter, limit);
    if (!rows) return explain("read what was used", rows.error());
    return rows;
  }

  Result<std::vector<AuditEntry>> audit(std::uint64_t before, std::size_t limit) const override {
    const std::lock_guard lock(mutex_);
    auto entries = read_audit(database_, before, limit);
    if (!entries) return explain("read the audit log", entries.error());
    return entries;
  }

 private:
  static void place(Accounts& accounts, const std::shared_ptr<const User>& user) {
    accounts.users.insert_or_assign(user->name, user);
    accounts.by_id.insert_or_assign(user->id, user);
    for (const std::string& space : user->spaces) accounts.owners.insert_or_assign(space, user);
  }

  static void take_away(Accounts& accounts, const User& user) {
    for (const std::string& space : user.spaces) accounts.owners.erase(space);
    accounts.by_id.erase(user.id);
    accounts.users.erase(user.name);
  }

  static Result<void> check_owners(const Accounts& accounts, const User& user) {
    for (const std::string& space : user.spaces) {
      const auto owner = accounts.owners.find(space);
      if (owner == accounts.owners.end() || owner->second->id == user.id) continue;
      return fail(Code::conflict, "the namespace " + space + " belongs to " + owner->second->name +
                                      " already; take it away there first");
    }
    return {};
  }

  static Result<void> check_secret(const SecretName& name, std::string_view value) {
    if (!is_name_part(name.space) || (!name.function.empty() && !is_name_part(name.function))) {
      return fail(Code::invalid, "a secret belongs to a namespace, or a function in one");
    }
    if (!is_variable(name.name)) {
      return fail(Code::invalid, "'" + log_safe(name.name, 80) +
                                     "' is no name for a secret: letters, digits and '_', no digit first, at "
                                     "most " +
                                     std::to_string(variable_size_max));
    }
    if (value.find('\0') != std::string_view::npos) {
      return fail(Code::invalid, "a secret becomes a variable, which cannot hold a NUL byte; encode it");
    }
    if (value.size() <= secret_size_max) return {};
    return fail(Code::too_large, "a secret has at most " + std::to_string(secret_size_max) + " bytes");
  }

  // One transaction: `write`, and its line in the audit log.
  Result<void> commit(std::string_view action, std::string_view target, std::string_view detail,
                      const Actor& actor, const std::function<Result<void>()>& write) {
    const auto done = [&]() -> Result<void> {
      CANOPY_TRY(Transaction transaction, Transaction::begin(database_));
      CANOPY_TRY_VOID(write());
      CANOPY_TRY_VOID(append_audit(database_, {.at = clock_.wall_now(),
                                               .user = actor.user,
                                               .key = actor.key,
                                               .action = std::string(action),
                                               .target = std::string(target),
                                               .detail = std::string(detail)}));
      return transaction.commit();
    }();
    if (!done) return explain(std::string(action) + " " + log_safe(target, 100), done.error());
    return {};
  }

  void publish(std::shared_ptr<const Accounts> fresh) {
    {
      const std::lock_guard lock(snapshot_mutex_);
      snapshot_.swap(fresh);
    }
    // After the snapshot: who sees the new number must not find the old accounts and keep them for good.
    version_.fetch_add(1, std::memory_order_release);
  }

  Database& database_;  // Guarded by mutex_.
  std::mutex& mutex_;
  const Clock& clock_;
  SecretKeyFile secret_key_;  // Guarded by mutex_.
  std::string unopened_;      // Guarded by mutex_: what the last reload() said of secrets.

  mutable std::mutex snapshot_mutex_;  // Held for the copy of one pointer.
  std::shared_ptr<const Accounts> snapshot_ = std::make_shared<const Accounts>();
  std::atomic<std::uint64_t> version_ = 1;
};

}  // namespace

Result<std::unique_ptr<TableUsers>> open_users(Database& database, std::mutex& mutex,
                                               SecretKeyFile secret_key, const Clock& clock) {
  auto users = std::make_unique<SqliteUsers>(database, mutex, std::move(secret_key), clock);
  CANOPY_TRY_VOID(users->start());
  return std::unique_ptr<TableUsers>(std::move(users));
}

}  // namespace canopy::store
