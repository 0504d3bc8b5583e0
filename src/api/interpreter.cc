#include "api/interpreter.h"

#include <algorithm>

#include "base/log.h"

namespace canopy::api {
namespace {

constexpr std::string_view interpreted_runtime = "js";
constexpr Duration look_period = std::chrono::milliseconds(500);

void make_first(Platform& platform, const std::shared_ptr<std::atomic<bool>>& made) {
  const auto snapshot = platform.catalog.snapshot();
  const auto is_interpreted = [](const auto& entry) { return entry.second->runtime == interpreted_runtime; };
  const auto first = std::ranges::find_if(snapshot->functions, is_interpreted);
  if (first == snapshot->functions.end()) return;
  platform.templates.get(first->second, [made](const Templates::Made& result) {
    if (!result) log::debug("no function in JavaScript could be made ready yet: {}", result.error().message);
    *made = result.has_value();
  });
}

}  // namespace

void InterpreterMaker::look() {
  if (*made_) return;
  if (const std::uint64_t version = platform_.catalog.version(); seen_ != version) {
    // The catalog may be long, so it is not searched here; if the queue is full there is another time.
    const auto search = [&platform = platform_, made = made_] { make_first(platform, made); };
    if (platform_.disk.post(search)) seen_ = version;
  }
  alarm_.set(platform_.clock.now() + look_period, [this] { look(); });
}

}  // namespace canopy::api
