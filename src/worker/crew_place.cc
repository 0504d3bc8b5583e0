// Who gets a call.

#include <algorithm>

#include "policy/sample.h"
#include "worker/crew.h"
#include "worker/peer.h"

namespace canopy::worker {
namespace {

constexpr std::uint64_t unsent_bytes_max = 64 << 20;  // Of a worker that does not read.
constexpr std::size_t recent_max = 4;
constexpr std::size_t warm_looked_at = 2;

}  // namespace

bool Peer::has_runtime(const std::string& name) const {
  if (!colleague->balancer) return colleague->has_runtime(name);
  return std::ranges::find(runtimes, name) != runtimes.end();
}

bool Peer::has_refused(std::uint32_t definition, Time now) const {
  return std::ranges::any_of(
      refused, [definition, now](const auto& one) { return one.first == definition && now < one.second; });
}

bool Crew::has_ready(const RemoteCall& call) const {
  return std::ranges::any_of(peers_, [&call](const auto& peer) {
    return peer->takes_calls() && peer->has_runtime(call.definition_->function.runtime);
  });
}

std::uint32_t Crew::room_of(const Peer& peer, policy::Dispatch way) const {
  const auto own = static_cast<std::uint32_t>(std::min<std::size_t>(peer.calls.size(), peer.credit));
  if (!peer.takes_calls() || peer.link->unsent_bytes() > unsent_bytes_max) return 0;
  const std::uint32_t room = peer.credit - own;
  if (!peer.colleague->joined) return room;
  if (peer.colleague->silent.load(std::memory_order_relaxed)) return 0;
  return std::min(room, peer.colleague->room(way));
}

bool Crew::has_room() const {
  return std::ranges::any_of(peers_, [this](const auto& peer) {
    return room_of(*peer, policy::Dispatch::push) > 0 || room_of(*peer, policy::Dispatch::pull) > 0;
  });
}

void Crew::look_at(Peer& peer, const RemoteCall& call) {
  const Definition& definition = *call.definition_;
  const Colleague& worker = *peer.colleague;
  const bool fits = peer.has_runtime(definition.function.runtime) &&
                    (peer.refused.empty() || !peer.has_refused(definition.number, core_.clock().now()));
  looked_at_.push_back(&peer);
  candidates_.push_back({.running_count = worker.running_count.load(std::memory_order_relaxed),
                         .credit = fits ? room_of(peer, call.way_) : 0,
                         .ready = fits,
                         .warm = peer.warm.contains(definition.key),
                         .asked_since = worker.asked_since.load(std::memory_order_relaxed),
                         .slots = worker.joined ? worker.slots() : peer.credit,
                         .key = peer.key,
                         .used = peer.used});
}

void Crew::look_at_all(const RemoteCall& call) {
  looked_at_.clear();
  candidates_.clear();
  for (const auto& peer : peers_) look_at(*peer, call);
}

// Of many: those that have the function, as far as that is known, and a sample of all.
void Crew::look_at_some(const RemoteCall& call) {
  const auto look = [&](Peer& peer) {
    if (std::ranges::find(looked_at_, &peer) == looked_at_.end()) look_at(peer, call);
  };
  looked_at_.clear();
  candidates_.clear();
  const std::uint64_t key = call.definition_->key;
  if (options_.placement == policy::Placement::locality) {
    if (const auto warm = warm_.find(key); warm != warm_.end()) {
      for (std::size_t i = 0; i < warm_looked_at; ++i) look(*warm->second[random() % warm->second.size()]);
    }
  } else if (options_.placement == policy::Placement::most_recently_used) {
    for (Peer* const peer : recent_) look(*peer);
  }
  const auto nearest =
      std::ranges::lower_bound(ring_, key, {}, [](const auto& entry) { return entry.first; });
  const policy::Sample sample =
      policy::choose_sample(options_.placement, {.count = ring_.size(),
                                                 .nearest = static_cast<std::size_t>(nearest - ring_.begin()),
                                                 .turn = turn_,
                                                 .random = random()});
  for (const std::uint32_t position : sample.positions()) look(*ring_[position].second);
}

std::optional<std::size_t> Crew::choose_looked_at(const RemoteCall& call) const {
  if (call.way_ == policy::Dispatch::pull) return policy::choose_asking(candidates_);
  // A sample begins with the one whose turn it is.
  const bool all = looked_at_.size() == peers_.size();
  return policy::choose(options_.placement, candidates_,
                        {.function = call.definition_->key, .turn = all ? turn_ : 0});
}

Peer* Crew::choose(const RemoteCall& call) {
  const bool few = peers_.size() <= policy::sample_size_max || call.way_ == policy::Dispatch::pull;
  // A place that another core was faster to take is one that is not there the next time.
  for (std::size_t tries = 0; tries <= peers_.size(); ++tries) {
    few || tries > 0 ? look_at_all(call) : look_at_some(call);
    auto chosen = choose_looked_at(call);
    if (!chosen && looked_at_.size() < peers_.size()) {
      look_at_all(call);
      chosen = choose_looked_at(call);
    }
    if (!chosen) return nullptr;
    Peer& peer = *looked_at_[*chosen];
    if (!peer.colleague->take_place(call.way_, core_.clock().now())) continue;
    note_use(peer, *chosen);
    return &peer;
  }
  return nullptr;
}

void Crew::note_use(Peer& peer, std::size_t looked_at) {
  peer.used = ++use_count_;
  turn_ = (looked_at_.size() == peers_.size() ? 0 : turn_) + looked_at + 1;
  if (turn_ >= peers_.size()) turn_ -= peers_.size();
  if (options_.placement != policy::Placement::most_recently_used) return;
  std::erase(recent_, &peer);
  recent_.insert(recent_.begin(), &peer);
  if (recent_.size() > recent_max) recent_.pop_back();
}

std::uint64_t Crew::random() { return policy::affinity(++random_, 0); }

void Crew::add_warm(Peer& peer, std::uint64_t key) {
  if (peer.warm.size() >= wire::warm_count_max || !peer.warm.insert(key).second) return;
  warm_[key].push_back(&peer);
  if (options_.on_warm) options_.on_warm();
}

void Crew::drop_warm(Peer& peer, std::uint64_t key) {
  if (peer.warm.erase(key) == 0) return;
  const auto known = warm_.find(key);
  std::erase(known->second, &peer);
  if (known->second.empty()) warm_.erase(known);
  if (options_.on_warm) options_.on_warm();
}

void Crew::on_warm(Peer& peer, const wire::Frame& frame) {
  const auto change = wire::read_warm(frame.body);
  if (!change) return distrust(peer, change.error().message);
  for (const std::uint64_t key : change->removed) drop_warm(peer, key);
  for (const std::uint64_t key : change->added) add_warm(peer, key);
}

std::vector<std::uint64_t> Crew::warm_keys() const {
  std::vector<std::uint64_t> keys;
  keys.reserve(warm_.size());
  for (const auto& [key, peers] : warm_) keys.push_back(key);
  return keys;
}

void Crew::forget_peer(Peer& peer) {
  while (!peer.warm.empty()) drop_warm(peer, std::uint64_t{*peer.warm.begin()});
  std::erase(recent_, &peer);
  std::erase_if(ring_, [&peer](const auto& one) { return one.second == &peer; });
  std::erase_if(peers_, [&peer](const auto& one) { return one.get() == &peer; });
}

}  // namespace canopy::worker
