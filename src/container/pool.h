#pragma once
// The containers of one function: how many there are, which takes the next call, who waits in line.
//
//   take(ticket) ─▶ at once, in a container that is ready and has a free place
//              └──▶ or later: the ticket stands in line, and the keeper starts what is needed
//   give(member) ─▶ the next in line has the place
//
//   starting ─▶ ready ─▶ leaving ─▶ gone       a container; from each of them it may go to "leaving":
//                                              it ended, was idle for too long, passed a deadline, is not
//                                              needed
//
// Threads: take(), leave(), give() and retire() any core's; the rest the keeper's.
// Life:    shared by its template and its calls; the keeper outlives it.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "container/engine.h"
#include "container/keeper.h"
#include "container/ready_signal.h"
#include "container/voice.h"
#include "exec/alarm.h"
#include "exec/cgroup.h"
#include "exec/runtime.h"
#include "model/function.h"
#include "net/descriptor_stream.h"
#include "policy/instances.h"
#include "policy/restart.h"
#include "wire/container.h"

namespace canopy::container {

// One container.
struct Member {
  enum class State : std::uint8_t { starting, ready, leaving };

  explicit Member(exec::Core& keeper)
      : alarm(keeper), output(keeper.io()), errors(keeper.io()), end(keeper.io()) {}

  // From "ready" on nobody changes these.
  Time begun{};  // When its start began,
  Time ready{};  // and when it was over.
  std::shared_ptr<Started> started;
  exec::Cgroup cgroup;
  Voice voice;

  // Guarded by the pool's mutex.
  State state = State::starting;
  std::uint32_t running = 0;
  std::uint64_t call_count = 0;
  bool is_broken = false;
  Time used{};                   // When it had a call last.
  std::vector<Descriptor> idle;  // Connections that are open and have nothing to do.
  std::optional<End> ended;
  std::vector<std::pair<exec::Core*, std::function<void()>>> on_end;

  // The keeper's.
  exec::Alarm alarm;
  net::DescriptorStream output;
  net::DescriptorStream errors;
  net::DescriptorStream end;
  Duration probe_delay{};
  std::unique_ptr<ReadySignal> signal;  // Where it says that it is ready, if it is to.
  bool has_signalled = false;
  Time listens_since{};
  bool is_told_to_stop = false;
  bool is_buried = false;
};

// A place in a container.
struct Grant {
  std::shared_ptr<Member> member;
  Descriptor connection;  // Where one is open already.
  bool is_first = false;  // Nobody had the container before.
};

// A call that wants a place. `wake` runs on its core when there is news; who does not wait any more empties
// it.
struct Ticket {
  explicit Ticket(exec::Core& core) : core(core) {}

  exec::Core& core;
  std::function<void()> wake;
  // Guarded by the pool's mutex.
  std::optional<Grant> grant;
  std::optional<Error> refusal;
};

// What became of a place.
enum class After : std::uint8_t {
  good,    // Its container takes more.
  unfit,   // It takes no more calls, and is stopped when the others have ended.
  broken,  // It does not answer; it is killed then.
};

struct PoolOptions {
  FunctionName function;
  wire::ContainerSettings settings;
  Plan plan;  // But for its id.
};

class Pool final : public Tenant, public std::enable_shared_from_this<Pool> {
 public:
  // Ends on the keeper's thread, whoever lets go of it last.
  static std::shared_ptr<Pool> make(Keeper& keeper, PoolOptions options);

  const wire::ContainerSettings& settings() const { return options_.settings; }
  const Plan& plan() const { return options_.plan; }

  // Its grant or refusal is there at once, or later.
  void take(const std::shared_ptr<Ticket>& ticket);
  // The news of a ticket, if there is any: its grant or its refusal.
  std::optional<Result<Grant>> look(Ticket& ticket);
  // It does not want it any more.
  void leave(Ticket& ticket);
  void give(const std::shared_ptr<Member>& member, Descriptor connection, After after);

  // How a container ended, if it has; else `on_end`, if there is one, runs on `core` when it does.
  std::optional<End> ask_end(Member& member, exec::Core& core, std::function<void()> on_end);
  // So many calls run in it now.
  std::uint32_t running_count(const Member& member) const;

  // Nobody begins calls any more: what is idle is stopped, the rest when its calls have ended.
  void retire();
  std::size_t member_count() const;
  exec::Standing standing() const;

  const std::string& space() const override { return options_.function.space; }
  Time idle_since() const override;
  void stop_idle() override;
  void on_room() override { adjust(); }
  void end() override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  Pool(Keeper& keeper, PoolOptions options);

  bool is_single_use() const {
    return options_.settings.contract == wire::ContainerSettings::Contract::command;
  }
  std::uint32_t places() const { return is_single_use() ? 1 : options_.settings.concurrency; }
  Member* choose(const Lock& lock) const;
  Grant grant_place(Member& member, const Lock& lock);
  void serve_line(const Lock& lock);
  void refuse_line(const Error& error, const Lock& lock);
  std::size_t calls(const Lock& lock) const;
  void poke();
  void adjust();
  std::size_t wanted_count(const Lock& lock) const;
  std::size_t needed_count(const Lock& lock) const;
  void start_one();
  void on_started(const std::shared_ptr<Member>& member, Result<std::shared_ptr<Started>> started);
  // False: no descriptor is left for it.
  bool watch(const std::shared_ptr<Member>& member);
  void watch_output(const std::shared_ptr<Member>& member, net::DescriptorStream Member::* stream);
  void watch_end(const std::shared_ptr<Member>& member);
  void await_signal(const std::shared_ptr<Member>& member);
  void probe(const std::shared_ptr<Member>& member);
  void probe_at(const std::shared_ptr<Member>& member, Time at);
  // When one that listens is taken as ready, though it has not said so.
  Time lost_signal_at(Member& member, Time now) const;
  void on_ready(const std::shared_ptr<Member>& member, Descriptor connection);
  void on_failed(const std::shared_ptr<Member>& member, Error error);
  void on_end(const std::shared_ptr<Member>& member, End end);
  void stop(const std::shared_ptr<Member>& member, Duration grace);
  void bury(const std::shared_ptr<Member>& member);
  void forget(const std::shared_ptr<Member>& member);
  void set_idle_alarm();

  Keeper& keeper_;
  const PoolOptions options_;

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Member>> members_;  // Guarded by it, as are the rest.
  std::deque<std::shared_ptr<Ticket>> line_;
  bool is_crashed_ = false;       // The last one that was ready and ended by itself.
  std::optional<Error> failure_;  // Why the last one could not be started.
  Time failed_until_{};
  bool is_poked_ = false;
  bool is_retired_ = false;

  // The keeper's.
  policy::Restarts restarts_;
  Time start_again_at_{};
  exec::Alarm idle_alarm_;
  exec::Alarm again_alarm_;
};

// "its container ended with status 3", "… by signal 9 (SIGKILL)", "… for lack of memory".
std::string end_text(const End& end, std::uint64_t memory_bytes);

}  // namespace canopy::container
