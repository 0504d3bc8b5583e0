#include "store/call_log_queue.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/check.h"
#include "store/call_log_ends.h"

namespace canopy::store {
std::uint64_t memory_bytes(const CallHead& head) {
  std::uint64_t bytes = sizeof head + head.call.input.size() + head.call.path.size() + head.call.query.size();
  for (const Header& header : head.call.headers) {
    bytes += sizeof header + header.name.size() + header.value.size();
  }
  return bytes;
}

Result<void> CallQueue::hold(const std::string& owner, const FunctionName& function,
                             std::optional<std::uint64_t> owner_max) {
  if (waiting_count_ + held_count_ >= options_.waiting_max)
    return tl::unexpected(queue_full("of all functions", options_.waiting_max));
  Flow& flow = flow_of(owner, function);
  if (flow.waiting_count + flow.held_count >= options_.waiting_per_function_max) {
    return tl::unexpected(queue_full("of " + to_text(function), options_.waiting_per_function_max));
  }
  const std::uint64_t of_owner = flow.owner->waiting_count + flow.owner->held_count;
  if (owner_max && of_owner >= *owner_max) {
    tidy(flow);
    return tl::unexpected(quota_used_up(*owner_max));
  }
  if (of_owner >= options_.waiting_per_owner_max) {
    tidy(flow);
    return tl::unexpected(queue_full("of this user", options_.waiting_per_owner_max));
  }
  ++flow.held_count;
  ++flow.owner->held_count;
  ++held_count_;
  return {};
}

void CallQueue::give_up(const std::string& owner, const FunctionName& function) {
  Flow& flow = flow_of(owner, function);
  --flow.held_count;
  --flow.owner->held_count;
  --held_count_;
  tidy(flow);
}

void CallQueue::add(const std::string& owner, const FunctionName& function, Waiting waiting, WallTime due,
                    WallTime now, bool held) {
  Flow& flow = flow_of(owner, function);
  if (held) {
    --flow.held_count;
    --flow.owner->held_count;
    --held_count_;
  }
  count_waiting(flow, 1);
  if (due > now) {
    const auto number = waiting.number;
    waiting.head.reset();
    delayed_.emplace(std::pair(due, number), Delayed{.flow = &flow, .waiting = std::move(waiting)});
  } else {
    stand_in_line(flow, std::move(waiting));
  }
}

CallQueue::Flow* CallQueue::choose(const LeaseRequest& request) {
  Flow* chosen = nullptr;
  const auto flow_may = [&](std::uint64_t id) {
    Flow& flow = *flows_by_id_.at(id);
    if (!policy::may_take_place(flow.running_count, running_.size(), options_.leases_max)) return false;
    if (request.concurrency && flow.running_count >= request.concurrency(flow.function)) return false;
    chosen = &flow;
    return true;
  };
  const auto owner_may = [&](std::uint64_t id) {
    const Owner& owner = *owners_by_id_.at(id);
    // Alone it has all places but those its functions must leave; with others, its share.
    return (owners_.size() == 1 ||
            policy::may_take_place(owner.running_count, running_.size(), options_.leases_max)) &&
           owner.turns.next(flow_may).has_value();
  };
  owners_turns_.next(owner_may);
  return chosen;
}

std::optional<CallQueue::Next> CallQueue::take(const LeaseRequest& request, WallTime now) {
  for (;;) {
    if (!has_room()) return std::nullopt;
    Flow* const flow = choose(request);
    if (flow == nullptr) return std::nullopt;
    Waiting waiting = std::move(flow->line.front());
    flow->line.pop_front();
    if (waiting.head) cached_bytes_ -= memory_bytes(*waiting.head);
    if (!dropped_.empty() && dropped_.erase(waiting.number) > 0) {
      if (flow->line.empty()) leave_line(*flow);
      tidy(*flow);
      continue;
    }
    flow->owner->turns.charge(flow->id);
    owners_turns_.charge(flow->owner->id);
    if (flow->line.empty()) leave_line(*flow);
    count_waiting(*flow, -1);
    ++flow->running_count;
    ++flow->owner->running_count;
    const Progress* const before = find_progress(waiting.number);
    Run& run = running_[waiting.number];
    run = {.running = {.number = waiting.number,
                       .head = waiting.head,
                       .attempt = before == nullptr ? 1 : before->attempt + 1,
                       .until = request.until,
                       .started = now},
           .flow = flow};
    expiries_.emplace(request.until, waiting.number);
    return Next{.running = &run.running, .waiting = std::move(waiting)};
  }
}

CallQueue::Running* CallQueue::running(std::uint64_t number) {
  const auto at = running_.find(number);
  return at == running_.end() ? nullptr : &at->second.running;
}

void CallQueue::set_until(Running& running, Time until) {
  expiries_.erase({running.until, running.number});
  running.until = until;
  expiries_.emplace(until, running.number);
}

void CallQueue::end(std::uint64_t number, bool forget) {
  const auto at = running_.find(number);
  CANOPY_CHECK(at != running_.end());
  Flow& flow = *at->second.flow;
  expiries_.erase({at->second.running.until, number});
  running_.erase(at);
  --flow.running_count;
  --flow.owner->running_count;
  if (forget) progress_.erase(number);
  tidy(flow);
}

void CallQueue::put_back(std::uint64_t number, WallTime due, WallTime now) {
  const auto at = running_.find(number);
  CANOPY_CHECK(at != running_.end());
  Flow& flow = *at->second.flow;
  // Who waits for long is read again.
  Running& running = at->second.running;
  Waiting waiting{.number = number,
                  .queued = running.head->call.queued,
                  .head = due > now ? nullptr : std::move(running.head)};
  count_waiting(flow, 1);  // First, so that the flow stays.
  end(number, false);
  if (due > now) {
    delayed_.emplace(std::pair(due, number),
                     Delayed{.flow = &flow, .waiting = std::move(waiting), .has_place = true});
  } else {
    stand_in_old_place(flow, std::move(waiting));
  }
}

void CallQueue::drop(std::uint64_t number, const std::string& owner, const FunctionName& function) {
  dropped_.insert(number);
  Flow& flow = flow_of(owner, function);
  count_waiting(flow, -1);
}

void CallQueue::undo_drop(const std::string& owner, const FunctionName& function, Waiting waiting,
                          WallTime due, WallTime now) {
  if (dropped_.erase(waiting.number) > 0) return count_waiting(flow_of(owner, function), 1);
  add(owner, function, std::move(waiting), due, now, false);
}

const Progress* CallQueue::find_progress(std::uint64_t number) const {
  const auto at = progress_.find(number);
  return at == progress_.end() ? nullptr : &at->second;
}

bool CallQueue::wake_due(WallTime now) {
  bool any = false;
  std::vector<Delayed> back;
  while (!delayed_.empty() && delayed_.begin()->first.first <= now) {
    Delayed delayed = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    if (!dropped_.empty() && dropped_.erase(delayed.waiting.number) > 0) {
      tidy(*delayed.flow);
      continue;
    }
    any = true;
    if (delayed.has_place) {
      back.push_back(std::move(delayed));
    } else {
      stand_in_line(*delayed.flow, std::move(delayed.waiting));
    }
  }
  // The last comes first: then none has to pass those that come back with it.
  std::ranges::sort(back, std::greater<>(), [](const Delayed& one) { return one.waiting.number; });
  for (Delayed& one : back) stand_in_old_place(*one.flow, std::move(one.waiting));
  return any;
}

std::vector<std::uint64_t> CallQueue::lost(Time now) const {
  std::vector<std::uint64_t> numbers;
  for (const auto& [until, number] : expiries_) {
    if (until > now) break;
    const Running& running = running_.at(number).running;
    if (!running.settling && !running.lost) numbers.push_back(number);
  }
  return numbers;
}

WallTime CallQueue::next_due() const {
  return delayed_.empty() ? WallTime::max() : delayed_.begin()->first.first;
}

Time CallQueue::next_lost() const { return expiries_.empty() ? never : expiries_.begin()->first; }

WallTime CallQueue::oldest_queued() const {
  WallTime oldest{};
  for (const auto& [name, owner] : owners_) {
    for (const auto& [function, flow] : owner->flows) {
      if (flow->line.empty()) continue;
      const WallTime queued = flow->line.front().queued;
      if (oldest == WallTime() || queued < oldest) oldest = queued;
    }
  }
  return oldest;
}

CallQueue::Flow& CallQueue::flow_of(const std::string& owner_name, const FunctionName& function) {
  auto& owner = owners_[owner_name];
  if (!owner) {
    owner = std::make_unique<Owner>();
    owner->id = ++last_id_;
    owner->name = owner_name;
    owners_by_id_[owner->id] = owner.get();
  }
  auto& flow = owner->flows[function];
  if (!flow) {
    flow = std::make_unique<Flow>();
    flow->id = ++last_id_;
    flow->owner = owner.get();
    flow->function = function;
    flows_by_id_[flow->id] = flow.get();
  }
  return *flow;
}

// Forgets a flow of which nothing is left, and its owner with the last one.
void CallQueue::tidy(Flow& flow) {
  if (flow.waiting_count + flow.held_count + flow.running_count > 0 || !flow.line.empty()) return;
  // A dropped call may still be among the delayed, which point here.
  if (!dropped_.empty()) return;
  Owner& owner = *flow.owner;
  flows_by_id_.erase(flow.id);
  owner.flows.erase(FunctionName(flow.function));
  if (!owner.flows.empty()) return;
  owners_by_id_.erase(owner.id);
  owners_.erase(std::string(owner.name));
}

void CallQueue::stand_in_line(Flow& flow, Waiting waiting) {
  count_in_line(flow, waiting);
  flow.line.push_back(std::move(waiting));
}

void CallQueue::stand_in_old_place(Flow& flow, Waiting waiting) {
  count_in_line(flow, waiting);
  // It was taken from the front, so what is before it was given back too: no more than may run at once.
  const auto front = flow.line.begin();
  const auto most =
      front + static_cast<std::ptrdiff_t>(std::min<std::size_t>(flow.line.size(), options_.leases_max));
  const auto place =
      std::find_if(front, most, [&](const Waiting& other) { return other.number > waiting.number; });
  flow.line.insert(place, std::move(waiting));
}

void CallQueue::count_in_line(Flow& flow, const Waiting& waiting) {
  if (waiting.head) cached_bytes_ += memory_bytes(*waiting.head);
  if (!flow.line.empty()) return;
  if (flow.owner->turns.size() == 0) owners_turns_.add(flow.owner->id);
  flow.owner->turns.add(flow.id);
}

void CallQueue::leave_line(Flow& flow) {
  flow.owner->turns.remove(flow.id);
  if (flow.owner->turns.size() == 0) owners_turns_.remove(flow.owner->id);
}

void CallQueue::count_waiting(Flow& flow, std::int64_t by) {
  const auto change = static_cast<std::uint64_t>(by);
  flow.waiting_count += change;
  flow.owner->waiting_count += change;
  waiting_count_ += change;
}

}  // namespace canopy::store
