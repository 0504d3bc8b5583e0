#include "policy/place.h"

namespace canopy::policy {
namespace {

constexpr std::uint64_t load_cost = 2;  // In calls.

}  // namespace

std::optional<std::size_t> choose_worker(std::span<const Candidate> candidates) {
  std::optional<std::size_t> best;
  std::uint64_t best_cost = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (!candidate.ready || candidate.credit == 0) continue;
    const std::uint64_t cost = candidate.running_count + (candidate.warm ? 0 : load_cost);
    if (best && cost >= best_cost) continue;
    best = i;
    best_cost = cost;
  }
  return best;
}

std::optional<std::size_t> choose_asking(std::span<const Candidate> candidates) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (!candidate.ready || candidate.credit == 0) continue;
    if (!first || candidate.asked_since < candidates[*first].asked_since) first = i;
  }
  return first;
}

}  // namespace canopy::policy
