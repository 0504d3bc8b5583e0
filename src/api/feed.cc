#include "api/feed.h"

#include <algorithm>
#include <array>
#include <utility>

namespace canopy::api {

std::string_view name(Happening::Kind kind) {
  constexpr std::array<std::string_view, 7> names = {"log",
                                                     "call.started",
                                                     "call.ended",
                                                     "function.deployed",
                                                     "function.rolled_back",
                                                     "function.removed",
                                                     "node.changed"};
  return names.at(static_cast<std::size_t>(kind));
}

Feed::Follower::~Follower() { feed_.leave(state_); }

std::vector<std::shared_ptr<const Happening>> Feed::Follower::take() {
  const std::lock_guard lock(state_->mutex);
  state_->bytes = 0;
  state_->wake_posted = false;
  std::vector<std::shared_ptr<const Happening>> taken(state_->queue.begin(), state_->queue.end());
  state_->queue.clear();
  return taken;
}

std::uint64_t Feed::Follower::take_lost_count() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->lost_count, 0);
}

std::unique_ptr<Feed::Follower> Feed::follow(exec::Core& core, Wanted wanted, std::uint64_t owner) {
  auto state = std::make_shared<Follower::State>(core, owner);
  state->wanted = std::move(wanted);
  const std::lock_guard lock(mutex_);
  if (followers_.size() >= followers_max) return nullptr;
  const auto same = [owner](const auto& one) { return one->owner == owner; };
  const auto held = static_cast<std::size_t>(std::ranges::count_if(followers_, same));
  if (owner != 0 && held > 0 && followers_.size() + held + first_places >= followers_max) return nullptr;
  followers_.push_back(state);
  follower_count_.store(followers_.size(), std::memory_order_relaxed);
  return std::unique_ptr<Follower>(new Follower(*this, std::move(state)));
}

void Feed::leave(const std::shared_ptr<Follower::State>& state) {
  const std::lock_guard lock(mutex_);
  std::erase(followers_, state);
  follower_count_.store(followers_.size(), std::memory_order_relaxed);
}

void Feed::wake_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& state : followers_) {
    state->core.post([state] { state->event.set(); });
  }
}

void Feed::publish(Happening happening, const std::function<std::string()>& make_text) {
  if (!is_followed()) return;
  std::shared_ptr<const Happening> shared;
  const std::lock_guard lock(mutex_);
  for (const auto& state : followers_) {
    // NOLINTNEXTLINE(bugprone-use-after-move): what was moved from is `shared` from then on.
    if (!state->wanted(shared ? *shared : happening)) continue;
    if (!shared) {
      happening.text = make_text();
      shared = std::make_shared<const Happening>(std::move(happening));
    }
    const std::lock_guard queue_lock(state->mutex);
    const std::size_t bytes = shared->text.size() + sizeof(Happening);
    if (state->queue.size() >= queue_count_max || state->bytes + bytes > queue_bytes_max) {
      ++state->lost_count;
    } else {
      state->queue.push_back(shared);
      state->bytes += bytes;
    }
    if (std::exchange(state->wake_posted, true)) continue;
    state->core.post([state] { state->event.set(); });
  }
}

}  // namespace canopy::api
