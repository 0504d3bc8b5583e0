#pragma once
// THE HOT PATH of calls that run in other processes: the workers as one gateway core sees them. Each has a
// connection of its own to this core, so no lock and no other core is involved.
//
//   call ─▶ choose a worker ─ define (once), open, data ─▶
//        ◀─ log, data, end ─                     its credit spent: it waits here, in line
//
// A worker that ends takes with it what it had begun (`lost`); what had certainly not reached it, and what it
// refused, goes to another.
//
// A worker of this machine takes a number of calls from each core. One of another machine has places that all
// cores share; where calls are pulled, each place is taken only after it was asked for. One may be a
// balancer: its places are those below it, and a call that it has none for comes back and goes elsewhere.
//
// Threads: its core's, but for the counts.
// Life:    no call runs when it dies.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec/core.h"
#include "model/call.h"
#include "model/function.h"
#include "net/event.h"
#include "net/frame_channel.h"
#include "policy/dispatch.h"
#include "policy/place.h"
#include "wire/tree_frames.h"
#include "worker/colleague.h"

namespace canopy::worker {

class Crew;
struct Peer;  // The connection of a core to one worker.

// A function that this core has sent calls of: workers know it by number.
struct Definition {
  std::uint32_t number = 0;
  std::uint64_t key = 0;  // The same everywhere for those that share their code.
  Function function;
  std::size_t call_count = 0;  // That run or wait here.
};

// A call on its way: what a RemoteInstance is to its crew.
class RemoteCall : public exec::Turn {
 protected:
  explicit RemoteCall(Crew& crew) : crew_(crew) {}

  // Whoever asked is gone: its crew forgets it. Before what it refers to goes.
  void abandon();

  Crew& crew_;
  Call* call_ = nullptr;
  Definition* definition_ = nullptr;
  policy::Dispatch way_ = policy::Dispatch::push;
  Reply reply_;
  net::Event done_;

 private:
  friend class Crew;
  void take() override;
  void expire() override;

  Peer* peer_ = nullptr;      // Who has it; null while it waits.
  std::uint64_t number_ = 0;  // On that connection.
  std::uint64_t place_ = 0;   // Where on it the call begins.
  Time deadline_{};           // Of its wait in line: as it came, whatever it is put off to.
  Time patience_end_{};       // From then on it does not wait for a worker to come.
  bool waits_ = false;
  bool canceled_ = false;
  bool ended_ = false;
};

struct CrewOptions {
  std::size_t running_max = 1;  // Calls of this core, over all workers.
  std::size_t waiting_max = 1;  // And those that wait for one to be free.
  // What a call is told that waited where no worker is: how there will be one.
  std::string nobody = "no worker process runs; they are started again, so try again soon";
  // And one whose deadline passed in line: what would help.
  std::string all_busy = "raise 'workers' or 'worker-slots'";
  // Where all cores share the places of workers: told on the core's thread that one may be free. It has
  // serve_waiting() called by whose turn it is. Empty: each core has places of its own.
  std::function<void()> on_room = {};
  policy::Placement placement = policy::Placement::locality;
  // A balancer's: nobody waits here. A call without a place fails as `unbegun`, and goes back up.
  bool refuses = false;
  // Told, on the core's thread, what a balancer offers, where that is news.
  std::function<void(WorkerNumber worker, const wire::Offer& offer)> on_offer = {};
  // Told, on the core's thread, that another function may be warm here now, or one not any more.
  std::function<void()> on_warm = {};
  std::uint64_t seed = 1;  // Of its choices by chance.
};

class Crew {
 public:
  // Told, on the core's thread, of a worker whose connection ended though nobody released it: its calls here
  // wait for ended().
  using OnBroken = std::function<void(WorkerNumber worker, const std::string& why)>;

  Crew(exec::Core& core, const CrewOptions& options, OnBroken on_broken);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // A worker that was started: it gets calls from its hello on.
  void attach(std::shared_ptr<Colleague> worker, std::unique_ptr<net::FrameLink> link);
  // It gets no more of them; when those it has are over, the connection is closed.
  void release(WorkerNumber worker);
  // Its process has ended; `how` goes on after "the worker process that ran it".
  void ended(WorkerNumber worker, const std::string& how);
  // The same, of one whose end cannot be known: it is not listened to any more, whatever it still says.
  void cut(WorkerNumber worker, const std::string& how);
  // Gives calls that wait to workers that have room.
  void serve_waiting();
  bool has_room() const;
  // The keys of functions that somebody here has loaded.
  std::vector<std::uint64_t> warm_keys() const;

  // -- for a RemoteCall
  void begin(RemoteCall& call);
  void cancel(RemoteCall& call);
  // Makes workers forget a function none of whose calls runs here.
  void forget(const Definition& definition);
  std::uint32_t next_definition() { return ++definition_count_; }

  exec::Core& core() { return core_; }

  // -- any thread
  std::size_t waiting_count() const { return waiting_count_.load(std::memory_order_relaxed); }
  std::size_t running_count() const { return running_count_.load(std::memory_order_relaxed); }
  std::uint64_t ended_count() const { return ended_count_.load(std::memory_order_relaxed); }
  Duration run_time() const { return Duration(run_time_.load(std::memory_order_relaxed)); }

 private:
  friend class RemoteCall;
  friend struct Peer;

  void send(Peer& peer, RemoteCall& call);
  // False where it is too large to be sent.
  bool define(Peer& peer, const Definition& definition);
  // Who gets the call, with its place taken; null where nobody has one.
  Peer* choose(const RemoteCall& call);
  void look_at_some(const RemoteCall& call);
  void look_at_all(const RemoteCall& call);
  void look_at(Peer& peer, const RemoteCall& call);
  std::optional<std::size_t> choose_looked_at(const RemoteCall& call) const;
  void note_use(Peer& peer, std::size_t looked_at);
  std::uint64_t random();
  void add_warm(Peer& peer, std::uint64_t key);
  void drop_warm(Peer& peer, std::uint64_t key);
  void forget_peer(Peer& peer);
  std::uint32_t room_of(const Peer& peer, policy::Dispatch way) const;
  // Whether anybody is there who could run it at all.
  bool has_ready(const RemoteCall& call) const;
  void wait(RemoteCall& call, bool in_front);
  void try_elsewhere(RemoteCall& call);
  void leave_line(RemoteCall& call);
  void on_frame(Peer& peer, const wire::Frame& frame);
  void on_closed(Peer& peer, const std::string& why);
  void on_end(Peer& peer, const wire::Frame& frame);
  void on_refusal(Peer& peer, std::uint64_t number);
  void on_offer(Peer& peer, const wire::Frame& frame);
  void on_warm(Peer& peer, const wire::Frame& frame);
  // It says what none of ours would: it is not heard any more, and whoever looks after it is told.
  void distrust(Peer& peer, const std::string& what);
  // A place may have become free.
  void on_room();
  void add_output(RemoteCall& call, std::string_view piece);
  // Takes the call off its peer; null where nobody waits for it any more.
  RemoteCall* take_off(Peer& peer, std::uint64_t number);
  void bury(Peer& peer);
  void finish(RemoteCall& call);
  void fail(RemoteCall& call, Error error);
  void give_up(RemoteCall& call);
  void close_if_done(Peer& peer);
  void turn(RemoteCall& call);
  void expire(RemoteCall& call);

  exec::Core& core_;
  const CrewOptions options_;
  const OnBroken on_broken_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::pair<std::uint64_t, Peer*>> ring_;           // The same, by their keys.
  std::unordered_map<std::uint64_t, std::vector<Peer*>> warm_;  // By the function's key.
  std::vector<Peer*> recent_;                                   // Who got calls last, the last one first.
  std::vector<Peer*> looked_at_;                                // For one choice; kept for its room.
  std::vector<policy::Candidate> candidates_;                   // Those, as the policy sees them.
  std::size_t turn_ = 0;                                        // For round-robin.
  std::uint64_t use_count_ = 0;
  std::uint64_t random_;
  std::deque<RemoteCall*> waiting_;
  std::string body_;  // Likewise.
  std::uint64_t call_count_ = 0;
  std::uint32_t definition_count_ = 0;
  bool serving_ = false;
  std::atomic<std::size_t> waiting_count_ = 0;
  std::atomic<std::size_t> running_count_ = 0;
  std::atomic<std::uint64_t> ended_count_ = 0;
  std::atomic<Duration::rep> run_time_ = 0;
};

}  // namespace canopy::worker
