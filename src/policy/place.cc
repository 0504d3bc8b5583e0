#include "policy/place.h"

#include <algorithm>
#include <string>

#include "base/log.h"
#include "base/mix.h"

namespace canopy::policy {
namespace {

constexpr std::uint64_t load_cost = 2;  // In calls.

bool takes(const Candidate& candidate) { return candidate.ready && candidate.credit > 0; }

// The first of those that take it, of whom nobody goes before it.
template <class Before>
std::optional<std::size_t> first_by(std::span<const Candidate> candidates, const Before& before) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (takes(candidates[i]) && (!best || before(candidates[i], candidates[*best]))) best = i;
  }
  return best;
}

// For their sizes: a tree of a hundred workers with ten calls has less to do than one worker with one.
bool is_less_loaded(const Candidate& a, std::uint64_t a_more, const Candidate& b, std::uint64_t b_more) {
  const std::uint64_t a_slots = std::max<std::uint32_t>(a.slots, 1);
  const std::uint64_t b_slots = std::max<std::uint32_t>(b.slots, 1);
  return (a.running_count + a_more) * b_slots < (b.running_count + b_more) * a_slots;
}

std::optional<std::size_t> next_in_turn(std::span<const Candidate> candidates, std::size_t turn) {
  for (std::size_t step = 0; step < candidates.size(); ++step) {
    const std::size_t at = (std::min(turn, candidates.size()) + step) % candidates.size();
    if (takes(candidates[at])) return at;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(Placement placement) {
  return placement_names.at(static_cast<std::size_t>(placement));
}

Result<Placement> parse_placement(std::string_view text) {
  const auto* const at = std::ranges::find(placement_names, text);
  if (at != placement_names.end()) return static_cast<Placement>(at - placement_names.begin());
  std::string known;
  for (const std::string_view name : placement_names) {
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return fail(Code::invalid, "'" + log_safe(text, 40) + "' is no way to place calls; there are " + known);
}

std::optional<std::size_t> choose(Placement placement, std::span<const Candidate> candidates,
                                  const Placing& placing) {
  switch (placement) {
    case Placement::locality:
      return first_by(candidates, [](const Candidate& a, const Candidate& b) {
        return is_less_loaded(a, a.warm ? 0 : load_cost, b, b.warm ? 0 : load_cost);
      });
    case Placement::least_loaded:
      return first_by(candidates,
                      [](const Candidate& a, const Candidate& b) { return is_less_loaded(a, 0, b, 0); });
    case Placement::round_robin:
      return next_in_turn(candidates, placing.turn);
    case Placement::most_recently_used:
      return first_by(candidates, [](const Candidate& a, const Candidate& b) { return a.used > b.used; });
    case Placement::consistent_hash:
      return first_by(candidates, [&placing](const Candidate& a, const Candidate& b) {
        return affinity(placing.function, a.key) > affinity(placing.function, b.key);
      });
  }
  return std::nullopt;
}

std::optional<std::size_t> choose_asking(std::span<const Candidate> candidates) {
  return first_by(candidates,
                  [](const Candidate& a, const Candidate& b) { return a.asked_since < b.asked_since; });
}

// FNV-1a.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return mixed(hash);
}

std::uint64_t affinity(std::uint64_t function, std::uint64_t child) {
  return mixed(function ^ (child + 0x9e3779b97f4a7c15U));
}

}  // namespace canopy::policy
