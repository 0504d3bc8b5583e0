#include "store/redis_catalog.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/sha256.h"
#include "store/once.h"
#include "store/redis_code.h"
#include "store/redis_replica.h"
#include "store/rows.h"
#include "store/sqlite_catalog.h"

namespace canopy::store {
namespace {

constexpr int change_tries_max = 50;
constexpr Duration sweep_age = std::chrono::hours(1);
constexpr Duration fetch_time_max = std::chrono::minutes(1);  // Of code, by another thread.

// What a change by anybody goes through.
class Changer {
 public:
  virtual ~Changer() = default;
  // Makes the copy new and does `work`, as often as others are faster.
  virtual Result<void> change(const std::function<Result<void>()>& work) = 0;

  template <class T, class Work>
  Result<T> change_to(const Work& work) {
    std::optional<T> value;
    CANOPY_TRY_VOID(change([&]() -> Result<void> {
      CANOPY_TRY(auto made, work());
      value.emplace(std::move(made));
      return {};
    }));
    return *std::move(value);
  }
};

class RedisUsers final : public Users {
 public:
  RedisUsers(Changer& changer, Users& copy) : changer_(changer), copy_(copy) {}

  std::uint64_t version() const override { return copy_.version(); }
  std::shared_ptr<const Accounts> snapshot() const override { return copy_.snapshot(); }

  Result<std::shared_ptr<const User>> add_user(User user, std::optional<Key> key,
                                               const Actor& actor) override {
    return changer_.change_to<std::shared_ptr<const User>>([&] { return copy_.add_user(user, key, actor); });
  }
  Result<std::shared_ptr<const User>> change_user(std::string_view name,
                                                  const std::function<Result<void>(User&)>& change,
                                                  std::string_view what, const Actor& actor) override {
    return changer_.change_to<std::shared_ptr<const User>>(
        [&] { return copy_.change_user(name, change, what, actor); });
  }
  Result<void> remove_user(std::string_view name, const Actor& actor) override {
    return changer_.change([&] { return copy_.remove_user(name, actor); });
  }
  Result<std::shared_ptr<const Key>> add_key(Key key, const Actor& actor) override {
    return changer_.change_to<std::shared_ptr<const Key>>([&] { return copy_.add_key(key, actor); });
  }
  Result<void> remove_key(std::string_view id, const Actor& actor) override {
    return changer_.change([&] { return copy_.remove_key(id, actor); });
  }
  Result<bool> set_secret(const SecretName& name, std::string_view value, const Actor& actor) override {
    return changer_.change_to<bool>([&] { return copy_.set_secret(name, value, actor); });
  }
  Result<void> remove_secret(const SecretName& name, const Actor& actor) override {
    return changer_.change([&] { return copy_.remove_secret(name, actor); });
  }
  Result<void> add_usage(const std::vector<DayUsage>& rows) override {
    if (rows.empty()) return {};
    return changer_.change([&] { return copy_.add_usage(rows); });
  }
  Result<std::vector<UsageRow>> usage(const UsageFilter& filter, std::size_t limit) const override {
    return copy_.usage(filter, limit);
  }
  Result<std::vector<AuditEntry>> audit(std::uint64_t before, std::size_t limit) const override {
    return copy_.audit(before, limit);
  }

 private:
  Changer& changer_;
  Users& copy_;
};

class RedisCatalog final : public Catalog, private Changer {
 public:
  RedisCatalog(std::unique_ptr<RedisReplica> replica, std::unique_ptr<TableCatalog> copy,
               const RedisAddress& address, const Clock& clock)
      : replica_(std::move(replica)),
        copy_(std::move(copy)),
        users_(*this, copy_->users()),
        code_(address, clock),
        poll_link_(address),
        poller_([this]() noexcept { run_poller(); }) {}
  ~RedisCatalog() override {
    {
      const std::lock_guard lock(stop_mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
  }

  std::uint64_t version() const override { return copy_->version(); }
  std::shared_ptr<const Snapshot> snapshot() const override { return copy_->snapshot(); }

  Result<void> catch_up() override {
    return copy_->refresh([this](Database& database) { return replica_->catch_up(database); });
  }

  // Shared first: what lies here alone is of no use to the others.
  Result<std::string> put_code(std::string_view code) override {
    CANOPY_TRY_VOID(code_.put(sha256_hex(code), code));
    return copy_->put_code(code);
  }
  Result<std::filesystem::path> code_path(std::string_view digest) const override {
    auto here = copy_->code_path(digest);
    if (here || here.error().code != Code::not_found) return here;
    CANOPY_TRY_VOID(fetching_.run(digest, [this, digest]() -> Result<void> {
      CANOPY_TRY(const std::string code, code_.get(digest));
      CANOPY_TRY_VOID(copy_->put_code(code));
      return {};
    }));
    return copy_->code_path(digest);
  }

  Result<PutResult> put(Function function, const Change& wanted) override {
    return change_to<PutResult>([&] { return copy_->put(function, wanted); });
  }
  Result<std::vector<Function>> versions(const FunctionName& name) const override {
    return copy_->versions(name);
  }
  Result<std::shared_ptr<const Function>> rollback(const FunctionName& name, std::uint32_t to,
                                                   const Change& wanted) override {
    return change_to<std::shared_ptr<const Function>>([&] { return copy_->rollback(name, to, wanted); });
  }
  Result<void> remove(const FunctionName& name, const Change& wanted) override {
    return change([&] { return copy_->remove(name, wanted); });
  }

  Users& users() override { return users_; }

  Result<std::uint64_t> sweep() override {
    CANOPY_TRY_VOID(catch_up());
    std::unordered_set<std::string> named;
    CANOPY_TRY_VOID(copy_->refresh([&named](Database& database) -> Result<std::vector<std::string>> {
      CANOPY_TRY(named, read_digests(database));
      return std::vector<std::string>();
    }));
    CANOPY_TRY_VOID(code_.sweep(sweep_age, named));
    return copy_->sweep();
  }

 private:
  Result<void> change(const std::function<Result<void>()>& work) override {
    const std::lock_guard lock(change_mutex_);
    for (int time = 0; time < change_tries_max; ++time) {
      CANOPY_TRY_VOID(catch_up());
      auto done = work();
      // Only an offer says that it came too late, and the lock keeps others' offers away.
      if (!done && replica_->take_was_late()) continue;
      if (done) fold();
      return done;
    }
    return fail(Code::unavailable, "other servers change functions and users all the time; try again later");
  }

  void fold() {
    const auto folded = copy_->refresh([this](Database& database) -> Result<std::vector<std::string>> {
      CANOPY_TRY_VOID(replica_->fold(database));
      return std::vector<std::string>();
    });
    if (!folded) log::warn("cannot shorten the list of changes in Redis now: {}", folded.error().message);
  }

  // Asks on a connection of its own, so that nobody waits for it while Redis is away.
  bool is_behind() {
    const auto version = poll_link_.run({"HGET", std::string(redis_prefix) + "catalog", "version"});
    return version && version->kind == RedisReply::Kind::text && version->as_unsigned() != seen_;
  }

  void run_poller() {
    std::unique_lock lock(stop_mutex_);
    while (!stop_.wait_for(lock, catalog_poll_period, [this] { return stopping_; })) {
      lock.unlock();
      if (is_behind()) {
        if (const auto done = catch_up(); !done && std::exchange(poll_failed_, true) == false) {
          log::error("cannot take in what other servers changed: {}", done.error().message);
        } else if (done) {
          poll_failed_ = false;
        }
        static_cast<void>(copy_->refresh([this](Database&) -> Result<std::vector<std::string>> {
          seen_ = replica_->version();
          return std::vector<std::string>();
        }));
      }
      lock.lock();
    }
  }

  const std::unique_ptr<RedisReplica> replica_;  // Guarded by the lock of copy_, and by change_mutex_.
  const std::unique_ptr<TableCatalog> copy_;
  RedisUsers users_;
  mutable RedisCode code_;
  mutable Once fetching_{fetch_time_max};
  std::mutex change_mutex_;

  RedisLink poll_link_;  // The poller's, and the next two.
  std::uint64_t seen_ = 0;
  bool poll_failed_ = false;
  std::mutex stop_mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // Guarded by stop_mutex_.
  std::jthread poller_;
};

}  // namespace

Result<std::unique_ptr<Catalog>> open_redis_catalog(const std::filesystem::path& folder,
                                                    const RedisAddress& address, const Clock& clock,
                                                    const CatalogOptions& options) {
  CANOPY_TRY(DataFolder data, DataFolder::open(folder));
  CANOPY_TRY_VOID(data.format());
  CANOPY_TRY(const auto other, data.folder().look("catalog.db"));
  if (other) {
    log::warn("{} is not used: functions and users are those of {}", (folder / "catalog.db").string(),
              to_text(address));
  }
  CANOPY_TRY(Folder code_folder, data.folder().child("code", Folder::Missing::make));
  auto replica = std::make_unique<RedisReplica>(address);
  CANOPY_TRY(Database database, replica->make_tables());
  CANOPY_TRY_VOID(replica->catch_up(database));
  database.set_journal(replica.get());
  const bool own_key = options.secret_key_file.empty();
  SecretKeyFile secret_key(own_key ? data.folder().path() / "secret.key" : options.secret_key_file, false);
  if (!own_key) CANOPY_TRY_VOID(secret_key.look());
  CANOPY_TRY(auto copy,
             make_table_catalog({.folder = std::move(data),
                                 .code = std::make_unique<CodeFiles>(std::move(code_folder), clock),
                                 .database = std::move(database),
                                 .secret_key = std::move(secret_key),
                                 .versions_max = options.versions_max},
                                clock));
  return std::make_unique<RedisCatalog>(std::move(replica), std::move(copy), address, clock);
}

}  // namespace canopy::store
