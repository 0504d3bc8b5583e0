#pragma once
// One connection to the gateway's port for workers: first a stranger's, then, where it showed that it knows
// the token, a member's. What is decided of it is members.cc's.
//
// Threads: the members' loop's.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/sha256.h"
#include "model/node.h"
#include "net/frame_channel.h"
#include "wire/join_frames.h"
#include "wire/node_frames.h"
#include "worker/colleague.h"

namespace canopy::balance {

struct Session final : net::FrameListener {
  void on_frame(const wire::Frame& frame) override { heard(frame); }
  void on_closed(const std::string& why) override { closed(why); }

  // Of a member, until its end is known.
  bool is_member() const { return colleague != nullptr && !closed_at && !over; }
  bool is_stranger() const { return colleague == nullptr && !over; }
  Node describe() const;
  std::string_view role() const { return join.balancer ? "balancer" : "worker"; }

  std::function<void(const wire::Frame& frame)> heard;
  std::function<void(const std::string& why)> closed;
  std::unique_ptr<net::FrameLink> link;
  std::string address;
  Time since{};          // As what it is now, or its last line.
  wire::Nonce nonce{};   // It was challenged with that.
  bool refused = false;  // It has been told why it is not wanted.
  bool over = false;     // To be forgotten.

  // Of a member:
  wire::Join join;
  std::shared_ptr<worker::Colleague> colleague;
  Sha256Digest line_key{};
  std::vector<bool> lines;  // By core: whether it has connected to it.
  NodeState state = NodeState::starting;
  WallTime wall_since{};
  std::uint32_t unanswered_count = 0;
  std::uint32_t want_count = 0;  // Pieces of code that are being read for it.
  wire::WorkerLoad load;
  std::vector<std::string> runtimes;  // Those it has; of a balancer, those below it,
  std::uint32_t offer_number = 0;     // as of that offer.
  std::vector<Node> below;            // Of a balancer: who is there.
  std::optional<Time> closed_at;      // Its connection ended then; what it sent to cores may still be read.
  std::string how;                    // How it ended.
};

}  // namespace canopy::balance
