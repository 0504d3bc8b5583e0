#pragma once
// The callbacks that wait: the longest due goes first, but nobody's hold all who send. A receiver that does
// not answer keeps its sender for as long as a delivery may take; one user with many of those would else be
// all that is ever waited for.
//
// Threads: one at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/clock.h"

namespace canopy::store {

class CallbackLine {
 public:
  using Payer = std::uint64_t;
  static constexpr Payer unknown = 0;  // Of those that an earlier process left, until they are looked at.

  // `sent_max`: so many can be on their way at once.
  explicit CallbackLine(std::size_t sent_max) : sent_max_(sent_max) {}

  // It waits until `due`, and is not on its way any more. `payer` is for those that are new.
  void plan(std::uint64_t number, WallTime due, Payer payer = unknown);
  void drop(std::uint64_t number);

  // One that is due is on its way from now on; it is due again at `until`, should nobody say what became of
  // it.
  std::optional<std::uint64_t> take(WallTime now, WallTime until);
  // Of one that was taken. False where its payer has too many on their way: then it waits again, since `due`.
  bool know_payer(std::uint64_t number, Payer payer, WallTime due);

  std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    WallTime due{};
    Payer payer = unknown;
    bool is_sent = false;
  };
  struct Flow {
    std::set<std::pair<WallTime, std::uint64_t>>
        line;  // Those on their way included, by when they are due again.
    std::size_t sent_count = 0;
  };

  void enter(std::uint64_t number, const Waiting& waiting);
  void leave(std::uint64_t number, const Waiting& waiting);

  const std::size_t sent_max_;
  std::size_t sent_count_ = 0;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
  std::unordered_map<Payer, Flow> flows_;
};

}  // namespace canopy::store
