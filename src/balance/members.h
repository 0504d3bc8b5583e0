#pragma once
// The gateway's side of workers that join it over the network: who they are, whether they are there, and the
// crews through which calls go to them.
//
// A balancer joins as a worker does, and has the others join it in turn: what it offers is the sum of those
// below it. Whoever owes an answer for a second gets no more calls until it comes.
//
//   connection: stranger ─ join, proof ─▶ member: starting ─ a line to each core ─▶ ready ─ goaway ─▶
//   draining
//                  │ too late, or wrong        │ silent, or a connection of it broke          │ closed
//                  ▼ closed                    ▼ gone: what it had begun is lost               ▼ gone
//
// A member that answers no ping for a while is cut off: its calls end as lost at once, and since its
// connections are closed here, nothing that it says later is heard. It joins again by itself, as somebody
// new. Pings are counted, not timed, so a machine that stood still cuts nobody off.
//
// Nothing that comes from a stranger is believed before its proof, takes more than a few KiB, or lasts longer
// than a few seconds; nothing that comes from a member is larger than a call may be.
//
// Threads: a thread of its own does all of it, on a loop of its own; the methods are for any.
// Life:    the cores and the clock outlive it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "exec/core.h"
#include "net/frame_channel.h"
#include "policy/dispatch.h"
#include "scale/cluster.h"
#include "wire/join_frames.h"
#include "wire/tree_frames.h"
#include "worker/crew.h"

namespace canopy::balance {

struct MembersOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string token;
  std::shared_ptr<const net::TlsContext> tls;        // Null: what is said can be read on the way.
  Duration silence_max = std::chrono::seconds(5);    // Without an answer to a ping.
  Duration greeting_max = std::chrono::seconds(10);  // From its connection to its proof; then for each line.
  std::size_t strangers_max = 64;                    // The one that came first makes room for the next.
  std::size_t members_max = 256;
  worker::CrewOptions crew;
  policy::DispatchRules rules;
  // A balancer's: the instance of its own program, which is not to be found below it.
  std::uint64_t instance = 0;
  // Told, on its thread, what all who are here take together, when that has changed.
  std::function<void(const wire::Offer& offer)> on_offer = {};
  // Told, on that core's thread, that other functions may be warm by it than before.
  std::function<void(std::size_t core)> on_warm = {};
};

// Reads a piece of the code that is wanted, of at most wire::code_piece_bytes_max, and calls `done` once, on
// any thread.
using CodeRead = std::function<void(Result<std::string> piece)>;
using ReadCode = std::function<void(const wire::Want& want, CodeRead done)>;

class Members final : public scale::Cluster {
 public:
  Members(MembersOptions options, std::vector<exec::Core*> cores, ReadCode read_code, const Clock& clock);
  ~Members() override;

  // Listens, and is ready for workers, when this returns. The cores need not run yet.
  //   unavailable  the address is taken or not ours
  Result<void> start();
  // The same without a thread and a port, for tests on a fake clock: whoever calls runs the loop, round by
  // round, and brings the connections.
  void begin();
  std::size_t poll();
  void greet(std::unique_ptr<net::FrameLink> link, const std::string& address);

  std::vector<worker::Crew*> crews();
  // Which way a call goes now.
  policy::Dispatch way_of(const Function& function) const;

  std::vector<canopy::Node> nodes() const override;
  std::size_t ready_count() const override;
  void listen(Listener listener) override;
  policy::DispatchRules rules() const override;
  void set_rules(policy::DispatchRules rules) override;
  std::string address() const override;
  void stop() override;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::balance
