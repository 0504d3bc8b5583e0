// Who gets a call.

#include <algorithm>

#include "worker/crew.h"
#include "worker/peer.h"

namespace canopy::worker {
namespace {

constexpr std::uint64_t unsent_bytes_max = 64 << 20;  // Of a worker that does not read.

}  // namespace

bool Crew::has_ready(const RemoteCall& call) const {
  return std::ranges::any_of(peers_, [&call](const auto& peer) {
    return peer->takes_calls() && peer->colleague->has_runtime(call.definition_->function.runtime);
  });
}

std::uint32_t Crew::room_of(const Peer& peer, policy::Dispatch way) const {
  const auto own = static_cast<std::uint32_t>(std::min<std::size_t>(peer.calls.size(), peer.credit));
  if (!peer.takes_calls() || peer.link->unsent_bytes() > unsent_bytes_max) return 0;
  const std::uint32_t room = peer.credit - own;
  return peer.colleague->slots == 0 ? room : std::min(room, peer.colleague->room(way));
}

bool Crew::has_room() const {
  return std::ranges::any_of(peers_, [this](const auto& peer) {
    return room_of(*peer, policy::Dispatch::push) > 0 || room_of(*peer, policy::Dispatch::pull) > 0;
  });
}

Peer* Crew::choose(const RemoteCall& call) {
  const Time now = core_.clock().now();
  // A place that another core was faster to take is one that is not there the next time.
  for (std::size_t tries = 0; tries <= peers_.size(); ++tries) {
    candidates_.clear();
    for (const auto& peer : peers_) {
      const Colleague& worker = *peer->colleague;
      const auto known = peer->functions.find(call.definition_->number);
      candidates_.push_back({.running_count = worker.running_count.load(std::memory_order_relaxed),
                             .credit = room_of(*peer, call.way_),
                             .ready = worker.has_runtime(call.definition_->function.runtime),
                             .warm = known != peer->functions.end() && known->second,
                             .asked_since = worker.asked_since.load(std::memory_order_relaxed)});
    }
    const bool asks = call.way_ == policy::Dispatch::pull;
    const auto chosen = asks ? policy::choose_asking(candidates_)
                             : policy::choose(policy::Placement::locality, candidates_, {});
    if (!chosen) return nullptr;
    Peer& peer = *peers_[*chosen];
    if (peer.colleague->take_place(call.way_, now)) return &peer;
  }
  return nullptr;
}

}  // namespace canopy::worker
