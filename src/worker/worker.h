#pragma once
// The worker's side: takes calls from connections and runs them on its one core, with the runtimes that a
// server without workers has.
//
//   define ─▶ functions ─ find() once, off the core ─▶ template
//   open, data ─▶ call ─ instance.run() ─▶ log…, data…, end
//
// A balancer's is the same, but that one runtime has all calls: that which sends them on. What it cannot
// begin is refused, and goes elsewhere; how many it takes changes as those below it come and go.
//
// Threads: its core's, but for the pool's work.
// Life:    the core, the runtimes and the pool outlive it; no call runs when it dies.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/sparing.h"
#include "exec/core.h"
#include "exec/runtime.h"
#include "net/blocking_pool.h"
#include "net/frame_channel.h"
#include "policy/evict.h"
#include "wire/node_frames.h"
#include "wire/tree_frames.h"

namespace canopy::worker {

// Where a function's template comes from.
class Provider {
 public:
  virtual ~Provider() = default;
  // Finds it, or makes it. `function` lives until the task ends.
  virtual net::Task<Result<std::shared_ptr<exec::Template>>> provide(exec::Runtime& runtime,
                                                                     const Function& function) = 0;
};

struct WorkerOptions {
  std::uint32_t slots = 1;         // Calls at once on each connection; on all of them where it asks.
  policy::Room room;               // For loaded functions.
  Provider* provider = nullptr;    // Null: whoever sends calls has had everything made, on the same disk.
  bool asks = false;               // Says when it has room for a call, as who joins does (wire/frame.h).
  exec::Runtime* relay = nullptr;  // A balancer's: where all calls go.
  // A balancer's: the keys of what is warm below it.
  std::function<std::vector<std::uint64_t>()> warm_keys = {};
};

class Worker {
 public:
  Worker(exec::Core& core, const exec::Runtimes& runtimes, net::BlockingPool& disk,
         const WorkerOptions& options);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One more connection to serve; says hello on it.
  void serve(std::unique_ptr<net::FrameLink> link);
  // Takes no more calls; `done` is called once when the last connection has closed.
  void drain(std::function<void()> done);
  // Closes all connections; what runs for them is ended, and nobody hears of it.
  void cut();

  // A balancer's: what it takes from now on.
  void set_offer(std::uint32_t slots, std::vector<std::string> runtimes);
  // Other functions may be warm than before: those that send calls are told soon.
  void note_warm();
  // Calls at once.
  std::uint32_t slots() const { return options_.relay == nullptr ? options_.slots : offer_.slots; }

  std::size_t running_count() const { return running_count_; }
  std::uint64_t templates_bytes() const;

 private:
  struct Served;
  struct Running;
  struct Line;
  class WarmReport;

  void on_frame(Line& line, const wire::Frame& frame);
  void on_closed(Line& line);
  void open(Line& line, const wire::Frame& frame);
  void reject(Line& line, std::uint64_t call, const std::string& why);
  // Of what whoever sends calls does wrong, as often as he likes.
  void complain(const std::string& what);
  void add_input(Line& line, const wire::Frame& frame);
  void begin(const std::shared_ptr<Running>& running);
  net::Task<void> run(std::shared_ptr<Running> running);
  net::Task<Result<std::shared_ptr<exec::Template>>> make_ready(std::shared_ptr<Served> served);
  void end(Running& running, Reply& reply);
  void unload_beyond_room();
  net::Task<Result<std::shared_ptr<exec::Template>>> find(std::shared_ptr<Served> served,
                                                          exec::Runtime& runtime);
  void tell_if_drained();
  void tell_offer(Line& line);
  void tell_warm();
  std::vector<std::uint64_t> warm_now() const;

  exec::Core& core_;
  const exec::Runtimes& runtimes_;
  net::BlockingPool& disk_;
  const WorkerOptions options_;
  std::vector<std::shared_ptr<Line>> lines_;
  std::size_t running_count_ = 0;
  std::function<void()> drained_;
  bool draining_ = false;
  wire::Offer offer_;                // Of a balancer.
  std::vector<std::uint64_t> warm_;  // As was told, in order.
  const std::unique_ptr<WarmReport> warm_report_;
  Sparing complaints_{10, std::chrono::minutes(1)};
  std::string body_;  // Kept for its room.
};

}  // namespace canopy::worker
