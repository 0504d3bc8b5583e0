#include "foreign/runtime.h"

#include <map>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "container/execution.h"
#include "container/grpc_links.h"
#include "container/household.h"
#include "foreign/engine.h"
#include "wire/container.h"

namespace canopy::foreign {
namespace {

constexpr std::size_t instances_max = 10'000;  // Of all functions.

class WorkersTemplate final : public exec::Template {
 public:
  WorkersTemplate(std::shared_ptr<container::Household> household, std::shared_ptr<container::Pool> pool)
      : household_(std::move(household)), pool_(std::move(pool)) {}
  ~WorkersTemplate() override { pool_->retire(); }
  WorkersTemplate(const WorkersTemplate&) = delete;
  WorkersTemplate& operator=(const WorkersTemplate&) = delete;

  std::unique_ptr<exec::Instance> start(exec::Core& core) override {
    return container::make_grpc_execution(pool_, core, links_, container::GrpcService::controller);
  }
  exec::Standing standing() const { return pool_->standing(); }

  // What it holds is held elsewhere.
  std::uint64_t resident_bytes() const override { return 0; }
  std::uint64_t resident_bytes(const exec::Core& /*core*/) const override { return 0; }
  void unload(exec::Core& /*core*/) override {}

 private:
  const std::shared_ptr<container::Household> household_;
  const std::shared_ptr<container::Pool> pool_;
  const std::shared_ptr<container::GrpcLinks> links_ = std::make_shared<container::GrpcLinks>();
};

class WorkersRuntime final : public exec::PlainRuntime {
 public:
  WorkersRuntime(const std::vector<std::string>& addresses, const Clock& clock) {
    options_.containers_max = instances_max;
    options_.make_engine = [this, addresses, &clock]() -> Result<std::unique_ptr<container::Engine>> {
      auto made = make_engine(addresses, clock);
      engine_ = made.get();
      return Result<std::unique_ptr<container::Engine>>(std::move(made));
    };
    household_ = std::make_shared<container::Household>(options_, clock);
    if (const auto connects = household_->engine(); !connects) log::warn("{}", connects.error().message);
  }

  std::string_view name() const override { return runtime_name; }

  void stop() override {
    if (engine_ != nullptr) engine_->give_up_starts();
  }

  Result<void> check(const Function& /*function*/, std::string_view /*code*/) override {
    return fail(
        Code::refused,
        "functions on workers of HyperFaaS have no code here: they are made by CreateFunction, with the "
        "tag of an image that the workers have");
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    auto made = prepare(function);
    return made ? *std::move(made) : nullptr;
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    auto settings = wire::container_settings(function.env);
    if (!settings) return fail(Code::refused, settings.error().message);
    CANOPY_TRY_VOID(household_->engine());
    const std::lock_guard lock(mutex_);
    std::erase_if(made_, [](const auto& entry) { return entry.second.expired(); });
    auto& entry = made_[key_of(function)];
    if (auto made = entry.lock()) return made;
    container::PoolOptions pool;
    pool.function = function.name;
    pool.settings = *std::move(settings);
    pool.plan.image = function.name.name;
    auto made = std::make_shared<WorkersTemplate>(household_, household_->make_pool(std::move(pool)));
    entry = made;
    return made;
  }

  std::optional<exec::Standing> standing(const Function& function) override {
    const std::lock_guard lock(mutex_);
    const auto found = made_.find(key_of(function));
    const auto made = found == made_.end() ? nullptr : found->second.lock();
    if (made == nullptr) return std::nullopt;
    return made->standing();
  }

 private:
  static std::string key_of(const Function& function) {
    return to_text(function.name) + '@' + std::to_string(function.version);
  }

  container::RuntimeOptions options_;
  WorkersEngine* engine_ = nullptr;  // The household's.
  std::shared_ptr<container::Household> household_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<WorkersTemplate>> made_;  // Guarded by it; by key_of().
};

}  // namespace

std::unique_ptr<exec::Runtime> make_runtime(const std::vector<std::string>& addresses, const Clock& clock) {
  return std::make_unique<WorkersRuntime>(addresses, clock);
}

}  // namespace canopy::foreign
