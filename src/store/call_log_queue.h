#pragma once
// Which durable calls wait and which run, in memory: the lines, the turns, the leases. What is on the disk is
// not its business; it is built anew from there at each start.
//
// A waiting call costs 32 bytes, and its input is not among them unless there is room to keep it.
//
// Threads: one at a time; the log locks around it.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "policy/fair.h"
#include "store/call_log.h"
#include "store/call_log_rows.h"

namespace canopy::store {

class CallQueue {
 public:
  struct Waiting {
    std::uint64_t number = 0;
    WallTime queued{};
    std::shared_ptr<const CallHead> head;  // With its input; null where it has to be read.
  };
  struct Running {
    std::uint64_t number = 0;
    std::shared_ptr<const CallHead> head;
    std::uint32_t attempt = 0;
    Time until = never;
    WallTime started{};
    std::size_t mark = 0;   // Its place among the marks.
    bool settling = false;  // An end of it is being written.
    bool lost = false;      // Its lease is over, and that is being written.
  };

  explicit CallQueue(const CallLogOptions& options) : options_(options) {}

  // Holds a place for a call that is on its way to the disk; add() or give_up() comes after.
  //   exhausted
  Result<void> hold(const std::string& owner, const FunctionName& function,
                    std::optional<std::uint64_t> owner_max = {});
  void give_up(const std::string& owner, const FunctionName& function);
  // It waits, from `due` on. `held`: there was a place for it.
  void add(const std::string& owner, const FunctionName& function, Waiting waiting, WallTime due,
           WallTime now, bool held);

  // The next one, which runs from now on under the attempt after its last.
  struct Next {
    Running* running = nullptr;
    Waiting waiting;
  };
  std::optional<Next> take(const LeaseRequest& request, WallTime now);

  // Null where it does not run.
  Running* running(std::uint64_t number);
  void set_until(Running& running, Time until);
  // It does not run any more; a call that has an end is forgotten.
  void end(std::uint64_t number, bool forget);
  // It does not run, and waits again; from `due` on it has its old place in line, before all that came later.
  void put_back(std::uint64_t number, WallTime due, WallTime now);

  // A call that waits is taken out of its line when its turn comes; undo_drop() while it has not come.
  void drop(std::uint64_t number, const std::string& owner, const FunctionName& function);
  bool is_dropped(std::uint64_t number) const { return dropped_.contains(number); }
  void undo_drop(const std::string& owner, const FunctionName& function, Waiting waiting, WallTime due,
                 WallTime now);

  // How far it came in earlier attempts.
  Progress& progress(std::uint64_t number) { return progress_[number]; }
  const Progress* find_progress(std::uint64_t number) const;
  void forget(std::uint64_t number) { progress_.erase(number); }

  // Those whose time has come stand in line; true where there were any.
  bool wake_due(WallTime now);
  std::vector<std::uint64_t> lost(Time now) const;
  // When something is due next.
  WallTime next_due() const;
  Time next_lost() const;

  std::uint64_t waiting_count() const { return waiting_count_; }
  std::uint64_t delayed_count() const { return delayed_.size(); }
  std::uint64_t running_count() const { return running_.size(); }
  bool has_room() const { return running_.size() < options_.leases_max; }
  bool has_ready() const { return owners_turns_.size() > 0; }
  WallTime oldest_queued() const;
  // Of the inputs, and what is around them, that waiting calls keep.
  std::uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  struct Owner;
  struct Flow {
    std::uint64_t id = 0;
    Owner* owner = nullptr;
    FunctionName function;
    std::deque<Waiting> line;
    std::uint64_t waiting_count = 0;  // In line and delayed.
    std::uint64_t held_count = 0;
    std::uint64_t running_count = 0;
  };
  struct Owner {
    std::uint64_t id = 0;
    std::string name;
    policy::FairTurns turns;
    std::map<FunctionName, std::unique_ptr<Flow>> flows;
    std::uint64_t waiting_count = 0;
    std::uint64_t held_count = 0;
    std::uint64_t running_count = 0;
  };
  struct Delayed {
    Flow* flow = nullptr;
    Waiting waiting;
    bool has_place = false;  // It was in line, and is to stand where it stood.
  };
  struct Run {
    Running running;
    Flow* flow = nullptr;
  };

  Flow& flow_of(const std::string& owner, const FunctionName& function);
  void tidy(Flow& flow);
  void stand_in_line(Flow& flow, Waiting waiting);
  void stand_in_old_place(Flow& flow, Waiting waiting);
  void count_in_line(Flow& flow, const Waiting& waiting);
  void leave_line(Flow& flow);
  void count_waiting(Flow& flow, std::int64_t by);
  Flow* choose(const LeaseRequest& request);

  const CallLogOptions& options_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Owner>> owners_;
  std::unordered_map<std::uint64_t, Owner*> owners_by_id_;
  std::unordered_map<std::uint64_t, Flow*> flows_by_id_;
  policy::FairTurns owners_turns_;
  std::map<std::pair<WallTime, std::uint64_t>, Delayed> delayed_;
  std::unordered_map<std::uint64_t, Run> running_;
  std::set<std::pair<Time, std::uint64_t>> expiries_;
  std::unordered_map<std::uint64_t, Progress> progress_;
  std::unordered_set<std::uint64_t> dropped_;
  std::uint64_t waiting_count_ = 0;
  std::uint64_t held_count_ = 0;
  std::uint64_t cached_bytes_ = 0;
};

// About what it takes in memory.
std::uint64_t memory_bytes(const CallHead& head);

}  // namespace canopy::store
