#pragma once
// One worker as one core sees it: the inside of its crew, for the three files that share it. crew.cc has
// calls, from their beginning to their end, crew_frames.cc hears what workers say, and crew_place.cc chooses
// who gets a call.
//
// Threads: its core's.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/frame_channel.h"
#include "worker/colleague.h"
#include "worker/crew.h"

namespace canopy::worker {

// So long a balancer that sent a call back gets no other of its function.
inline constexpr Duration refusal_kept = std::chrono::milliseconds(100);

// The connection of this core to one worker.
struct Peer final : net::FrameListener {
  Peer(Crew& of, std::shared_ptr<Colleague> worker, std::unique_ptr<net::FrameLink> over)
      : crew(of), colleague(std::move(worker)), link(std::move(over)) {}

  void on_frame(const wire::Frame& frame) override { crew.on_frame(*this, frame); }
  void on_closed(const std::string& why) override { crew.on_closed(*this, why); }
  bool takes_calls() const { return ready && !leaving && !closed; }
  // Whether it takes calls of that runtime at all.
  bool has_runtime(const std::string& name) const;
  bool has_refused(std::uint32_t definition, Time now) const;

  Crew& crew;
  const std::shared_ptr<Colleague> colleague;
  std::unique_ptr<net::FrameLink> link;
  std::uint32_t credit = 0;
  bool ready = false;
  bool leaving = false;                                  // No more calls for it.
  bool closed = false;                                   // Nothing more comes from it.
  std::optional<std::string> how;                        // Its process has ended so.
  std::unordered_map<std::uint64_t, RemoteCall*> calls;  // By number; null: nobody waits for it any more.
  std::unordered_set<std::uint32_t> functions;           // Those it knows, by their definitions' numbers.
  std::unordered_set<std::uint64_t> warm;                // Those it has loaded, by their keys.
  std::vector<std::string> runtimes;                     // A balancer's offer.
  std::vector<std::pair<std::uint32_t, Time>> refused;   // Definitions that it could not begin, until then.
  std::uint64_t key = 0;   // Its place among them, the same when it comes again.
  std::uint64_t used = 0;  // When it last got a call, as the crew counts.
};

}  // namespace canopy::worker
