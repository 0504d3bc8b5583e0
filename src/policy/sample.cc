#include "policy/sample.h"

#include <algorithm>

namespace canopy::policy {
namespace {

constexpr std::size_t near_count = 4;  // For locality: beside those that are known to have the function.
constexpr std::size_t chance_count = 2;

void add(std::size_t position, Sample& sample) {
  const auto known = sample.positions();
  if (sample.count == sample.at.size() || std::ranges::find(known, position) != known.end()) return;
  sample.at.at(sample.count++) = static_cast<std::uint32_t>(position);
}

void add_from(std::size_t first, std::size_t count, const Crowd& crowd, Sample& sample) {
  for (std::size_t i = 0; i < count; ++i) add((first + i) % crowd.count, sample);
}

void add_by_chance(const Crowd& crowd, Sample& sample) {
  std::uint64_t random = crowd.random;
  for (std::size_t i = 0; i < chance_count; ++i) {
    add(random % crowd.count, sample);
    random = affinity(random, i);
  }
}

}  // namespace

Sample choose_sample(Placement placement, const Crowd& crowd) {
  Sample sample;
  if (crowd.count == 0) return sample;
  if (crowd.count <= sample_size_max) {
    add_from(0, crowd.count, crowd, sample);
    return sample;
  }
  switch (placement) {
    case Placement::locality:
      add_from(crowd.nearest, near_count, crowd, sample);
      add_by_chance(crowd, sample);
      break;
    case Placement::least_loaded:
    case Placement::most_recently_used:
      add_by_chance(crowd, sample);
      break;
    case Placement::round_robin:
      add_from(crowd.turn, sample_size_max, crowd, sample);
      break;
    case Placement::consistent_hash:
      add_from(crowd.nearest, sample_size_max, crowd, sample);
      break;
  }
  return sample;
}

}  // namespace canopy::policy
