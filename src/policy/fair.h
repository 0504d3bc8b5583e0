#pragma once
// Whose call runs next: turns between flows (users; and for each user, functions), so that however many calls
// one of them has waiting, the others are served in proportion to their weights. Start-time fair queueing: a
// flow's next turn is tagged with the virtual time at which its last one ends; the lowest tag goes first, and
// who was idle starts at the present, so that nobody saves up turns.
//
// And how much of the room one flow may hold at once, so that a slow one leaves some for others.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace canopy::policy {

class FairTurns {
 public:
  using Flow = std::uint64_t;

  // `flow` has something waiting from now on. Again: only its weight changes. At least 1.
  void add(Flow flow, std::uint32_t weight = 1);
  // It has nothing waiting any more.
  void remove(Flow flow);

  // Whose turn it is, of those that `may_run` says yes to; nothing where it is nobody's.
  std::optional<Flow> next(const std::function<bool(Flow flow)>& may_run) const;
  // `flow` has had its turn, which cost so much.
  void charge(Flow flow, std::uint32_t cost = 1);

  std::size_t size() const { return line_.size(); }

 private:
  struct State {
    double tag = 0;
    std::uint32_t weight = 1;
  };

  double now_ = 0;
  std::set<std::pair<double, Flow>> line_;  // By tag.
  std::unordered_map<Flow, State> flows_;   // Those in line.
  std::unordered_map<Flow, double> left_;   // Tags of those that left, while they are ahead of the present.
};

// Whether a flow that holds `held` of `room_max` places, of which `held_by_all` are taken, may have one more:
// it may hold at most twice what is still free. One flow alone gets two thirds, and however slow it is,
// another finds places at once.
bool may_take_place(std::uint64_t held, std::uint64_t held_by_all, std::uint64_t room_max);

}  // namespace canopy::policy
