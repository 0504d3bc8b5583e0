#pragma once
// One worker as one core sees it: the inside of its crew, for the two files that share it. crew.cc has calls,
// from their beginning to their end, and crew_place.cc chooses who gets one.
//
// Threads: its core's.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "net/frame_channel.h"
#include "worker/colleague.h"
#include "worker/crew.h"

namespace canopy::worker {

// The connection of this core to one worker.
struct Peer final : net::FrameListener {
  Peer(Crew& of, std::shared_ptr<Colleague> worker, std::unique_ptr<net::FrameLink> over)
      : crew(of), colleague(std::move(worker)), link(std::move(over)) {}

  void on_frame(const wire::Frame& frame) override { crew.on_frame(*this, frame); }
  void on_closed(const std::string& why) override { crew.on_closed(*this, why); }
  bool takes_calls() const { return ready && !leaving && !closed; }

  Crew& crew;
  const std::shared_ptr<Colleague> colleague;
  std::unique_ptr<net::FrameLink> link;
  std::uint32_t credit = 0;
  bool ready = false;
  bool leaving = false;                                  // No more calls for it.
  bool closed = false;                                   // Nothing more comes from it.
  std::optional<std::string> how;                        // Its process has ended so.
  std::unordered_map<std::uint64_t, RemoteCall*> calls;  // By number; null: nobody waits for it any more.
  std::unordered_map<std::uint32_t, bool> functions;     // Those it knows; true: and has loaded.
};

}  // namespace canopy::worker
