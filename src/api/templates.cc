#include "api/templates.h"

#include <utility>

namespace canopy::api {
namespace {

constexpr Duration failure_time = std::chrono::seconds(10);

std::string key_of(const Function& function) {
  return to_text(function.name) + "@" + std::to_string(function.version);
}

tl::unexpected<Error> full(std::string_view what) {
  return fail(Code::unavailable, "too many functions wait to be " + std::string(what) + "; try again soon",
              Stage::queue);
}

}  // namespace

Result<exec::Runtime*> Templates::find_runtime(const std::string& name) const {
  if (const auto at = runtimes_.find(name); at != runtimes_.end()) return at->second.get();
  std::string known;
  for (const auto& [other, runtime] : runtimes_) known += (known.empty() ? "" : ", ") + other;
  return fail(Code::refused, "there is no runtime '" + name + "' here; there is: " + known);
}

Templates::Made Templates::make(exec::Runtime& runtime, const Function& function) const {
  if (stopping_.load(std::memory_order_relaxed)) {
    return fail(Code::unavailable, "the server stops; ask another one", Stage::start);
  }
  return runtime.prepare(function);
}

void Templates::get(std::shared_ptr<const Function> function, Done done) {
  const std::string key = key_of(*function);
  std::optional<Error> failure;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = failures_.find(key); at != failures_.end()) {
      if (clock_.now() < at->second.until) failure = at->second.error;
    }
    if (!failure) {
      auto& waiting = flights_[key].waiting;
      waiting.push_back(done);
      if (waiting.size() > 1) return;
    }
  }
  if (failure) return done(tl::unexpected(*std::move(failure)));
  start(key, std::move(function));
}

void Templates::start(const std::string& key, std::shared_ptr<const Function> function) {
  const auto runtime = find_runtime(function->runtime);
  if (!runtime) return land(key, fail(Code::unavailable, runtime.error().message, Stage::start));
  const auto compile = [this, key, function, runtime = *runtime] { land(key, make(*runtime, *function)); };
  const auto look = [this, key, function, runtime = *runtime, compile] {
    if (auto found = runtime->find(*function)) return land(key, std::move(found));
    if (!compile_.post(function->name.space, compile)) land(key, full("compiled"));
  };
  if (!disk_.post(look)) land(key, full("loaded"));
}

void Templates::land(const std::string& key, Made made) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::move(flights_[key].waiting);
    flights_.erase(key);
    const Time now = clock_.now();
    std::erase_if(failures_, [now](const auto& entry) { return entry.second.until <= now; });
    if (!made && !may_retry(made.error().code)) {
      failures_.insert_or_assign(key, Failure{made.error(), now + failure_time});
    }
  }
  for (const Done& done : waiting) done(made);
}

}  // namespace canopy::api
