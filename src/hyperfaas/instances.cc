#include "hyperfaas/instances.h"

#include <algorithm>
#include <utility>

#include "base/hex.h"
#include "base/id.h"
#include "policy/share.h"

namespace canopy::hyperfaas {
namespace {

std::string random_id() {
  unsigned char bytes[6];
  fill_random(bytes, sizeof bytes);
  std::string id;
  for (const unsigned char byte : bytes) append_hex(byte, id);
  return id;
}

Error too_many() {
  return {Code::exhausted, "there are as many instances as may be, of " +
                               std::to_string(Instances::count_max) +
                               " in all; stop some, or wait until they are idle"};
}

}  // namespace

void Instances::publish(Kind kind, bool is_failure, const FunctionName& function, const std::string& instance,
                        WallTime at) {
  events_.publish({.function = function,
                   .event = {.kind = kind,
                             .is_failure = is_failure,
                             .instance_id = instance,
                             .function_id = function.name,
                             .at = at}});
}

bool Instances::has_room(const std::string& space, const Lock& /*lock*/) const {
  const auto own = by_space_.find(space);
  return policy::may_have_more(own == by_space_.end() ? 0 : own->second, count_max - instances_.size());
}

std::string Instances::add(const FunctionName& function, Duration idle, Moment at, const Lock& lock) {
  auto id = random_id();
  while (instances_.contains(id)) id = random_id();
  const Place added = instances_.emplace(id, Instance{}).first;
  added->second = {.function = function, .used = at.now, .idle = idle};
  by_function_[function].members.emplace(id, &added->second);
  rest(added, lock);
  ++by_space_[function.space];
  publish(Kind::start, false, function, id, at.wall);
  return id;
}

void Instances::rest(Place at, const Lock& /*lock*/) {
  const Instance& instance = at->second;
  resting_.emplace(instance.used + instance.idle, at->first);
  if (instance.has_called) had_[instance.function].insert(at->first);
}

void Instances::rouse(Place at, const Lock& /*lock*/) {
  const Instance& instance = at->second;
  resting_.erase({instance.used + instance.idle, at->first});
  const auto had = had_.find(instance.function);
  if (had == had_.end()) return;
  had->second.erase(at->first);
  if (had->second.empty()) had_.erase(had);
}

void Instances::remove(Place at, const Lock& lock) {
  if (at->second.running == 0) rouse(at, lock);
  const auto turns = by_function_.find(at->second.function);
  turns->second.members.erase(at->first);
  if (turns->second.members.empty()) by_function_.erase(turns);
  const auto own = by_space_.find(at->second.function.space);
  if (--own->second == 0) by_space_.erase(own);
  instances_.erase(at);
}

Result<std::string> Instances::start(const FunctionName& function, Duration idle, Moment at) {
  const Lock lock(mutex_);
  if (has_room(function.space, lock)) return add(function, idle, at, lock);
  publish(Kind::start, true, function, "", at.wall);
  return tl::unexpected(too_many());
}

void Instances::fail_start(const FunctionName& function, Moment at) {
  const Lock lock(mutex_);
  publish(Kind::start, true, function, "", at.wall);
}

Result<std::string> Instances::begin_call(const FunctionName& function, Duration idle, Moment at) {
  const Lock lock(mutex_);
  if (!by_function_.contains(function)) {
    if (!has_room(function.space, lock)) return tl::unexpected(too_many());
    add(function, idle, at, lock);
  }
  Turns& turns = by_function_.at(function);
  auto next = turns.members.upper_bound(turns.last);
  if (next == turns.members.end()) next = turns.members.begin();
  if (next->second->running++ == 0) rouse(instances_.find(next->first), lock);
  next->second->has_called = true;
  next->second->used = at.now;
  turns.last = next->first;
  return next->first;
}

void Instances::end_call(const FunctionName& function, const std::string& instance, bool crashed, Moment at) {
  const Lock lock(mutex_);
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return;  // Stopped under the call.
  found->second.used = at.now;
  if (--found->second.running == 0) rest(found, lock);
  if (!crashed) return;
  publish(Kind::down, true, function, instance, at.wall);
  remove(found, lock);
}

std::optional<FunctionName> Instances::find(const std::string& instance) const {
  const Lock lock(mutex_);
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return std::nullopt;
  return found->second.function;
}

bool Instances::stop(const std::string& instance, Moment at) {
  const Lock lock(mutex_);
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return false;
  publish(Kind::stop, false, found->second.function, instance, at.wall);
  remove(found, lock);
  return true;
}

void Instances::expire(Moment at, const FindStanding& standing) {
  const Lock lock(mutex_);
  if (standing) expire_fallen(at, standing, lock);
  while (!resting_.empty() && resting_.begin()->first <= at.now) {
    expire(instances_.find(resting_.begin()->second), false, at.wall, lock);
  }
}

void Instances::expire(Place at, bool is_crash, WallTime wall, const Lock& lock) {
  publish(is_crash ? Kind::down : Kind::timeout, is_crash, at->second.function, at->first, wall);
  remove(at, lock);
}

void Instances::expire_fallen(Moment at, const FindStanding& standing, const Lock& lock) {
  for (std::size_t left = std::min(had_.size(), standing_asks_max); left > 0; --left) {
    auto next = had_.upper_bound(asked_last_);
    if (next == had_.end()) next = had_.begin();
    asked_last_ = next->first;
    const auto stands = standing(next->first);
    if (!stands || stands->count > 0) continue;
    const std::set<std::string> fallen = next->second;
    for (const std::string& one : fallen) {
      expire(instances_.find(one), stands->is_crashed, at.wall, lock);
    }
  }
}

std::unique_ptr<Instances::Events::Listener> Instances::listen(exec::Core& core, std::uint64_t user,
                                                               const std::string& node, Time now) {
  const Lock lock(mutex_);
  std::erase_if(left_, [now](const auto& left) { return now - left.second.at > remembered_time; });
  const auto found = left_.find(node);
  if (found == left_.end()) return events_.listen(core, user);
  const std::uint64_t from = found->second.next;
  auto listener = events_.listen(core, user, from);
  if (listener != nullptr) left_.erase(found);
  return listener;
}

void Instances::leave(const std::string& node, std::uint64_t next, Time now) {
  const Lock lock(mutex_);
  std::erase_if(left_, [now](const auto& left) { return now - left.second.at > remembered_time; });
  if (node.empty() || left_.size() >= nodes_max) return;
  left_[node] = {.next = next, .at = now};
}

std::size_t Instances::count() const {
  const Lock lock(mutex_);
  return instances_.size();
}

}  // namespace canopy::hyperfaas
