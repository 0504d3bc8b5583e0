#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "store/catalog.h"
#include "store/code_files.h"
#include "store/deploy_rules.h"
#include "store/published.h"
#include "store/sqlite_users.h"
#include "store/temp_folder.h"
#include "store/user_rows.h"

namespace canopy::store {
namespace {

constexpr Duration sweep_age = std::chrono::hours(1);

struct Known {
  std::map<std::uint32_t, std::shared_ptr<const Function>> versions;  // Empty: removed.
  std::uint32_t last_version = 0;
};

class MemoryCatalog final : public Catalog {
 public:
  MemoryCatalog(TempFolder temp, Folder code, Database database, std::uint32_t versions_max,
                const Clock& clock)
      : temp_(std::move(temp)),
        versions_max_(versions_max),
        clock_(clock),
        code_(std::move(code), clock),
        database_(std::move(database)),
        users_(open_users(database_, database_mutex_, SecretKeyFile(temp_.path() / "secret.key", true), clock)
                   .value()) {}

  std::uint64_t version() const override { return published_.version(); }
  std::shared_ptr<const Snapshot> snapshot() const override { return published_.snapshot(); }

  Result<std::string> put_code(std::string_view code) override { return code_.put(code); }
  Result<std::filesystem::path> code_path(std::string_view digest) const override {
    return code_.path(digest);
  }

  Result<PutResult> put(Function function, const Change& change) override {
    CANOPY_TRY_VOID(make_ready(function));
    const std::lock_guard lock(mutex_);
    CANOPY_TRY_VOID(code_.path(function.digest));
    for (const FunctionFile& file : function.files) CANOPY_TRY_VOID(code_.path(file.digest));
    const auto current = find(function.name);
    if (current && same_deployment(*current, function))
      return PutResult{.function = current, .unchanged = true};

    if (change.allow) CANOPY_TRY_VOID(change.allow(function));
    Known& known = known_[function.name];
    if (known.last_version == std::numeric_limits<std::uint32_t>::max()) {
      return fail(Code::exhausted, "the version numbers of " + to_text(function.name) + " are used up");
    }
    CANOPY_TRY_VOID(note("function.deploy", function.name, known.last_version + 1, change));
    function.version = ++known.last_version;
    function.created = clock_.wall_now();
    auto shared = std::make_shared<const Function>(std::move(function));
    known.versions.emplace(shared->version, shared);
    std::vector<std::uint32_t> numbers;
    for (const auto& [number, version] : known.versions) numbers.push_back(number);
    const std::uint32_t before = current ? current->version : 0;
    for (const std::uint32_t old : outdated(numbers, shared->version, before, versions_max_)) {
      known.versions.erase(old);
    }
    published_.put(shared);
    return PutResult{.function = std::move(shared), .created = current == nullptr};
  }

  Result<std::vector<Function>> versions(const FunctionName& name) const override {
    const std::lock_guard lock(mutex_);
    if (find(name) == nullptr) return tl::unexpected(no_function(name));
    const auto& versions = known_.at(name).versions;
    std::vector<Function> found;
    for (auto at = versions.rbegin(); at != versions.rend(); ++at) found.push_back(*at->second);
    return found;
  }

  Result<std::shared_ptr<const Function>> rollback(const FunctionName& name, std::uint32_t to,
                                                   const Change& change) override {
    const std::lock_guard lock(mutex_);
    auto current = find(name);
    if (current == nullptr) return tl::unexpected(no_function(name));
    if (to == current->version) return current;
    const auto& versions = known_.at(name).versions;
    auto at = versions.find(to == 0 ? current->version : to);
    if (at == versions.end()) return tl::unexpected(no_version(name, to));
    if (to == 0) {
      if (at == versions.begin()) return tl::unexpected(no_earlier_version(*current));
      --at;
    }
    if (change.allow) CANOPY_TRY_VOID(change.allow(*at->second));
    CANOPY_TRY_VOID(note("function.rollback", name, at->first, change));
    published_.put(at->second);
    return at->second;
  }

  Result<void> remove(const FunctionName& name, const Change& change) override {
    const std::lock_guard lock(mutex_);
    if (find(name) == nullptr) return tl::unexpected(no_function(name));
    CANOPY_TRY_VOID(note("function.remove", name, 0, change));
    known_.at(name).versions.clear();
    published_.remove(name);
    return {};
  }

  Users& users() override { return *users_; }

  Result<std::uint64_t> sweep() override {
    const std::lock_guard lock(mutex_);
    const auto keep = [this](const std::string& digest) { return is_named(digest); };
    return code_.sweep(sweep_age, keep);
  }

 private:
  std::shared_ptr<const Function> find(const FunctionName& name) const {
    const auto now = published_.snapshot();
    const auto at = now->functions.find(name);
    return at == now->functions.end() ? nullptr : at->second;
  }

  Result<void> note(std::string_view action, const FunctionName& name, std::uint32_t version,
                    const Change& change) {
    const std::lock_guard lock(database_mutex_);
    return append_audit(database_, audit_line(action, name, version, change.actor, clock_.wall_now()));
  }

  bool is_named(const std::string& digest) const {
    for (const auto& [name, known] : known_) {
      for (const auto& [number, function] : known.versions) {
        if (function->digest == digest) return true;
        for (const FunctionFile& file : function->files) {
          if (file.digest == digest) return true;
        }
      }
    }
    return false;
  }

  const TempFolder temp_;  // Code must be a file for those who map it.
  const std::uint32_t versions_max_;
  const Clock& clock_;
  CodeFiles code_;
  Published published_;
  mutable std::mutex mutex_;
  std::map<FunctionName, Known> known_;  // Guarded by mutex_.
  std::mutex database_mutex_;
  Database database_;  // Guarded by database_mutex_. Of users alone, who are asked for what tables do.
  const std::unique_ptr<Users> users_;
};

Result<Database> make_database(const std::filesystem::path& file) {
  std::ofstream(file, std::ios::binary).close();
  CANOPY_TRY(Database database, Database::open(std::filesystem::canonical(file)));
  CANOPY_TRY_VOID(
      database.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; "
                       "PRAGMA foreign_keys = ON"));
  for (const Table& table : user_tables()) CANOPY_TRY_VOID(database.execute(std::string(table.sql)));
  return database;
}

}  // namespace

std::unique_ptr<Catalog> make_memory_catalog(const Clock& clock, const CatalogOptions& options) {
  auto temp = TempFolder::make();
  CANOPY_CHECK(temp.has_value());  // A test that has no temporary folder can do nothing.
  auto code = Folder::open_or_make(temp->path() / "code");
  CANOPY_CHECK(code.has_value());
  code->do_not_sync();
  auto database = make_database(temp->path() / "users.db");
  CANOPY_CHECK(database.has_value());
  return std::make_unique<MemoryCatalog>(*std::move(temp), *std::move(code), *std::move(database),
                                         options.versions_max, clock);
}

}  // namespace canopy::store
