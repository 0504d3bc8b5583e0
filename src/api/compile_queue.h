#pragma once
// What waits to be compiled, and whose turn it is. Compiling takes seconds and there are few places for it,
// so the owners of what waits take turns: however many slow modules one of them sends, what another one sends
// waits for those that are being compiled now and for no more of them. An owner may have only so many
// waiting.
//
// Threads: any.
// Life:    outlives those who wait for its work; the destructor finishes what waits.

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "net/blocking_pool.h"
#include "policy/fair.h"

namespace canopy::api {

class CompileQueue {
 public:
  static constexpr std::size_t waiting_max = 256;
  static constexpr std::size_t waiting_per_owner_max = 64;

  // Whose a namespace is; any text that is the owner's alone.
  using OwnerOf = std::function<std::string(const std::string& space)>;

  CompileQueue(std::size_t thread_count, OwnerOf owner_of)
      : owner_of_(std::move(owner_of)), pool_(thread_count, waiting_max) {}

  // For a function of namespace `space`. False where too much waits already: of its owner's, or at all.
  bool post(const std::string& space, std::function<void()> work);

  // The same for net::run_blocking().
  struct Line {
    CompileQueue& queue;
    std::string space;
    bool post(std::function<void()> work) const { return queue.post(space, std::move(work)); }
  };
  Line line(std::string space) { return {*this, std::move(space)}; }

 private:
  using Flow = policy::FairTurns::Flow;

  void run_next();

  const OwnerOf owner_of_;
  std::mutex mutex_;
  policy::FairTurns turns_;  // Guarded by it, as is the next.
  std::unordered_map<Flow, std::deque<std::function<void()>>> waiting_;
  net::BlockingPool pool_;  // Last, so that it ends first.
};

}  // namespace canopy::api
