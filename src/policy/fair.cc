#include "policy/fair.h"

#include <algorithm>

namespace canopy::policy {
namespace {

constexpr std::size_t left_count_max = 4096;

}  // namespace

void FairTurns::add(Flow flow, std::uint32_t weight) {
  const auto [at, added] = flows_.try_emplace(flow);
  at->second.weight = std::max<std::uint32_t>(weight, 1);
  if (!added) return;
  at->second.tag = now_;
  if (const auto left = left_.find(flow); left != left_.end()) {
    at->second.tag = std::max(now_, left->second);
    left_.erase(left);
  }
  line_.emplace(at->second.tag, flow);
}

void FairTurns::remove(Flow flow) {
  const auto at = flows_.find(flow);
  if (at == flows_.end()) return;
  line_.erase({at->second.tag, flow});
  // Leaving and coming back is no way to be served sooner.
  if (at->second.tag > now_) left_[flow] = at->second.tag;
  flows_.erase(at);
  if (left_.size() > left_count_max) {
    std::erase_if(left_, [this](const auto& entry) { return entry.second <= now_; });
    if (left_.size() > left_count_max) left_.clear();
  }
}

std::optional<FairTurns::Flow> FairTurns::next(const std::function<bool(Flow flow)>& may_run) const {
  for (const auto& [tag, flow] : line_) {
    if (may_run(flow)) return flow;
  }
  return std::nullopt;
}

void FairTurns::charge(Flow flow, std::uint32_t cost) {
  const auto at = flows_.find(flow);
  if (at == flows_.end()) return;
  State& state = at->second;
  line_.erase({state.tag, flow});
  // One that had no room for long does not catch up on the turns that it could not take.
  now_ = std::max(now_, state.tag);
  state.tag = now_ + static_cast<double>(cost) / state.weight;
  line_.emplace(state.tag, flow);
}

bool may_take_place(std::uint64_t held, std::uint64_t held_by_all, std::uint64_t room_max) {
  if (held_by_all >= room_max) return false;
  return held < 2 * (room_max - held_by_all);
}

}  // namespace canopy::policy
