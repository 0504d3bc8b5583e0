#include "store/sqlite_catalog.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "store/catalog.h"
#include "store/code_files.h"
#include "store/data_folder.h"
#include "store/deploy_rules.h"
#include "store/published.h"
#include "store/rows.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/sqlite_users.h"
#include "store/user_rows.h"

namespace canopy::store {
namespace {

constexpr Duration sweep_age = std::chrono::hours(1);

// Damage that shows only later is ours to answer for, not the client's.
tl::unexpected<Error> explain(std::string_view attempt, const FunctionName& name, const Error& error) {
  const Code code = error.code == Code::refused ? Code::internal : error.code;
  return fail(code, "cannot " + std::string(attempt) + " " + to_text(name) + ": " + error.message);
}

class SqliteCatalog final : public TableCatalog {
 public:
  SqliteCatalog(CatalogParts parts, const Clock& clock)
      : folder_(std::move(parts.folder)),
        versions_max_(parts.versions_max),
        clock_(clock),
        code_(std::move(parts.code)),
        secret_key_(std::move(parts.secret_key)),
        database_(std::move(parts.database)) {}

  // What is on the disk becomes the first snapshot; only when all of it made sense is anything tidied up.
  Result<void> start() {
    CANOPY_TRY(Snapshot snapshot, read_snapshot());
    published_.start(std::move(snapshot));
    CANOPY_TRY(users_, open_users(database_, mutex_, std::move(secret_key_), clock_));
    database_.set_checkpoint_on_close(true);
    CANOPY_TRY_VOID(code_->clear_leftovers());
    return folder_.set_format(format_newest);
  }

  Result<void> refresh(const Refresh& change) override {
    const std::lock_guard lock(mutex_);
    CANOPY_TRY(const std::vector<std::string> tables, change(database_));
    const auto touched = [&tables](std::initializer_list<std::string_view> names) {
      return std::ranges::any_of(names, [&tables](std::string_view name) {
        return std::ranges::find(tables, name) != tables.end();
      });
    };
    if (touched({"functions", "versions", "env", "files"})) {
      CANOPY_TRY(Snapshot snapshot, read_snapshot());
      published_.replace(std::move(snapshot));
    }
    if (touched({"users", "namespaces", "keys", "secrets"})) CANOPY_TRY_VOID(users_->reload());
    return {};
  }

  std::uint64_t version() const override { return published_.version(); }
  std::shared_ptr<const Snapshot> snapshot() const override { return published_.snapshot(); }

  Result<std::string> put_code(std::string_view code) override { return code_->put(code); }
  Result<std::filesystem::path> code_path(std::string_view digest) const override {
    return code_->path(digest);
  }

  Result<PutResult> put(Function function, const Change& change) override {
    CANOPY_TRY_VOID(make_ready(function));
    const std::lock_guard lock(mutex_);  // Before looking for the code: no sweep() shall come between.
    CANOPY_TRY_VOID(code_->path(function.digest));
    for (const FunctionFile& file : function.files) CANOPY_TRY_VOID(code_->path(file.digest));
    const auto current = find(function.name);
    if (current && same_deployment(*current, function))
      return PutResult{.function = current, .unchanged = true};

    if (change.allow) CANOPY_TRY_VOID(change.allow(function));
    function.created = clock_.wall_now();
    if (const auto written = write(function, change); !written) {
      return explain("put", function.name, written.error());
    }
    auto shared = std::make_shared<const Function>(std::move(function));
    published_.put(shared);
    return PutResult{.function = std::move(shared), .created = current == nullptr};
  }

  Result<std::vector<Function>> versions(const FunctionName& name) const override {
    const std::lock_guard lock(mutex_);
    if (find(name) == nullptr) return tl::unexpected(no_function(name));
    auto found = read_versions(database_, name);
    if (!found) return explain("read the versions of", name, found.error());
    if (found->empty())
      return fail(Code::internal, "the rows of " + to_text(name) + " are gone from catalog.db");
    return found;
  }

  Result<std::shared_ptr<const Function>> rollback(const FunctionName& name, std::uint32_t to,
                                                   const Change& change) override {
    const std::lock_guard lock(mutex_);
    auto current = find(name);
    if (current == nullptr) return tl::unexpected(no_function(name));
    if (to == current->version) return current;
    auto target = find_target(*current, to);
    if (!target) return tl::unexpected(target.error());
    if (change.allow) CANOPY_TRY_VOID(change.allow(*target));
    auto shared = std::make_shared<const Function>(*std::move(target));
    if (const auto switched = set_current(name, shared->version, change); !switched) {
      return explain("roll back", name, switched.error());
    }
    published_.put(shared);
    return shared;
  }

  Result<void> remove(const FunctionName& name, const Change& change) override {
    const std::lock_guard lock(mutex_);
    if (find(name) == nullptr) return tl::unexpected(no_function(name));
    if (const auto erased = erase(name, change); !erased) {
      return explain("remove", name, erased.error());
    }
    published_.remove(name);
    return {};
  }

  Users& users() override { return *users_; }

  Result<std::uint64_t> sweep() override {
    const std::lock_guard lock(mutex_);
    auto digests = read_digests(database_);
    if (!digests) return fail(Code::internal, "cannot sweep: " + digests.error().message);
    return code_->sweep(sweep_age,
                        [&digests](const std::string& digest) { return digests->contains(digest); });
  }

 private:
  // What has not changed stays the same object.
  Result<Snapshot> read_snapshot() {
    CANOPY_TRY(auto functions, read_current(database_));
    const auto before = published_.snapshot();
    Snapshot snapshot;
    for (Function& function : functions) {
      FunctionName name = function.name;
      const auto known = before->functions.find(name);
      auto shared = known != before->functions.end() && known->second->version == function.version &&
                            known->second->created == function.created &&
                            same_deployment(*known->second, function)
                        ? known->second
                        : std::make_shared<const Function>(std::move(function));
      snapshot.functions.emplace_hint(snapshot.functions.end(), std::move(name), std::move(shared));
    }
    return snapshot;
  }

  std::shared_ptr<const Function> find(const FunctionName& name) const {
    const auto now = published_.snapshot();
    const auto at = now->functions.find(name);
    return at == now->functions.end() ? nullptr : at->second;
  }

  // Sets its version.
  Result<void> write(Function& function, const Change& change) {
    CANOPY_TRY(Transaction transaction, Transaction::begin(database_));
    CANOPY_TRY(const std::optional<NameRow> known, read_name(database_, function.name));
    const std::uint32_t last = known ? known->last_version : 0;
    if (last == std::numeric_limits<std::uint32_t>::max()) {
      return fail(Code::exhausted, "its version numbers are used up; use another name");
    }
    function.version = last + 1;
    const NameRow row{.current = function.version, .last_version = function.version};
    CANOPY_TRY_VOID(write_name(database_, function.name, row));
    CANOPY_TRY_VOID(insert_version(database_, function));
    CANOPY_TRY_VOID(forget_old_versions(function, known ? known->current : 0));
    CANOPY_TRY_VOID(note("function.deploy", function.name, function.version, change));
    return transaction.commit();
  }

  Result<void> forget_old_versions(const Function& current, std::uint32_t before) {
    CANOPY_TRY(const auto numbers, read_version_numbers(database_, current.name));
    for (const std::uint32_t old : outdated(numbers, current.version, before, versions_max_)) {
      CANOPY_TRY_VOID(erase_version(database_, current.name, old));
    }
    return {};
  }

  Result<Function> find_target(const Function& current, std::uint32_t to) {
    if (to == 0) {
      CANOPY_TRY(to, previous(current));
      if (to == 0) return tl::unexpected(no_earlier_version(current));
    }
    auto target = read_version(database_, current.name, to);
    if (!target) return explain("roll back", current.name, target.error());
    if (!target->has_value()) return tl::unexpected(no_version(current.name, to));
    return **std::move(target);
  }

  // The highest number below; 0 where there is none.
  Result<std::uint32_t> previous(const Function& current) {
    CANOPY_TRY(Statement row, database_.prepare("SELECT max(version) FROM versions "
                                                "WHERE space = ?1 AND name = ?2 AND version < ?3"));
    row.bind(current.name.space).bind(current.name.name).bind(std::int64_t{current.version});
    CANOPY_TRY_VOID(row.step());
    return static_cast<std::uint32_t>(row.number(0));
  }

  Result<void> set_current(const FunctionName& name, std::uint32_t version, const Change& change) {
    CANOPY_TRY(Transaction transaction, Transaction::begin(database_));
    CANOPY_TRY(const std::optional<NameRow> known, read_name(database_, name));
    if (!known) return fail(Code::internal, "its row is gone from catalog.db");
    CANOPY_TRY_VOID(write_name(database_, name, {.current = version, .last_version = known->last_version}));
    CANOPY_TRY_VOID(note("function.rollback", name, version, change));
    return transaction.commit();
  }

  Result<void> erase(const FunctionName& name, const Change& change) {
    CANOPY_TRY(Transaction transaction, Transaction::begin(database_));
    CANOPY_TRY(const std::optional<NameRow> known, read_name(database_, name));
    if (!known) return fail(Code::internal, "its row is gone from catalog.db");
    CANOPY_TRY_VOID(write_name(database_, name, {.current = 0, .last_version = known->last_version}));
    CANOPY_TRY_VOID(erase_versions(database_, name));
    CANOPY_TRY_VOID(note("function.remove", name, 0, change));
    return transaction.commit();
  }

  // In the transaction that is open.
  Result<void> note(std::string_view action, const FunctionName& name, std::uint32_t version,
                    const Change& change) {
    return append_audit(database_, audit_line(action, name, version, change.actor, clock_.wall_now()));
  }

  const DataFolder folder_;  // First, so that its lock is let go last.
  const std::uint32_t versions_max_;
  const Clock& clock_;
  const std::unique_ptr<CodeFiles> code_;
  Published published_;
  mutable std::mutex mutex_;
  SecretKeyFile secret_key_;
  mutable Database database_;  // Guarded by mutex_.
  std::unique_ptr<TableUsers> users_;
};

// What SQLite cannot make sense of when the folder is opened is damage, whatever it calls it.
Error at_opening(Error error) {
  if (error.code != Code::internal) return error;
  error.code = Code::refused;
  error.message += "; it seems damaged and is kept as it is: restore it from a backup";
  return error;
}

}  // namespace

Result<std::unique_ptr<TableCatalog>> make_table_catalog(CatalogParts parts, const Clock& clock) {
  auto catalog = std::make_unique<SqliteCatalog>(std::move(parts), clock);
  if (auto started = catalog->start(); !started)
    return tl::unexpected(at_opening(std::move(started).error()));
  return std::unique_ptr<TableCatalog>(std::move(catalog));
}

Result<std::unique_ptr<Catalog>> open_catalog(const std::filesystem::path& folder, const Clock& clock,
                                              const CatalogOptions& options) {
  CANOPY_TRY(DataFolder data, DataFolder::open(folder));
  CANOPY_TRY(const std::optional<int> format, data.format());
  CANOPY_TRY(Folder code_folder, data.folder().child("code", Folder::Missing::make));
  auto code = std::make_unique<CodeFiles>(std::move(code_folder), clock);
  CANOPY_TRY(const bool no_code, code->empty());
  CANOPY_TRY(const auto file, data.folder().look("catalog.db"));
  CANOPY_TRY(const auto log, data.folder().look("catalog.db-wal"));
  const bool in_use = format.has_value() || !no_code || (log && !file);

  auto database = open_database(data.folder(), format, in_use);
  if (!database) return tl::unexpected(at_opening(std::move(database).error()));
  const bool own_key = options.secret_key_file.empty();
  SecretKeyFile secret_key(own_key ? data.folder().path() / "secret.key" : options.secret_key_file, own_key);
  if (!own_key) CANOPY_TRY_VOID(secret_key.look());
  return make_table_catalog({.folder = std::move(data),
                             .code = std::move(code),
                             .database = *std::move(database),
                             .secret_key = std::move(secret_key),
                             .versions_max = options.versions_max},
                            clock);
}

}  // namespace canopy::store
