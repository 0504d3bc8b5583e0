#include "store/callback_line.h"

#include "policy/fair.h"

namespace canopy::store {

void CallbackLine::enter(std::uint64_t number, const Waiting& waiting) {
  waiting_[number] = waiting;
  Flow& flow = flows_[waiting.payer];
  flow.line.emplace(waiting.due, number);
  flow.sent_count += waiting.is_sent;
  sent_count_ += waiting.is_sent;
}

void CallbackLine::leave(std::uint64_t number, const Waiting& waiting) {
  const auto flow = flows_.find(waiting.payer);
  flow->second.line.erase({waiting.due, number});
  flow->second.sent_count -= waiting.is_sent;
  sent_count_ -= waiting.is_sent;
  if (flow->second.line.empty()) flows_.erase(flow);
}

void CallbackLine::plan(std::uint64_t number, WallTime due, Payer payer) {
  if (const auto known = waiting_.find(number); known != waiting_.end()) {
    if (payer == unknown) payer = known->second.payer;
    leave(number, known->second);
  }
  enter(number, {.due = due, .payer = payer});
}

void CallbackLine::drop(std::uint64_t number) {
  const auto known = waiting_.find(number);
  if (known == waiting_.end()) return;
  leave(number, known->second);
  waiting_.erase(known);
}

std::optional<std::uint64_t> CallbackLine::take(WallTime now, WallTime until) {
  const std::pair<WallTime, std::uint64_t>* first = nullptr;
  for (const auto& [payer, flow] : flows_) {
    const auto& own = *flow.line.begin();
    if (own.first > now || (first != nullptr && *first < own)) continue;
    if (policy::may_take_place(flow.sent_count, sent_count_, sent_max_)) first = &own;
  }
  if (first == nullptr) return std::nullopt;
  const std::uint64_t number = first->second;
  Waiting waiting = waiting_.at(number);
  leave(number, waiting);
  waiting.due = until;
  waiting.is_sent = true;
  enter(number, waiting);
  return number;
}

bool CallbackLine::know_payer(std::uint64_t number, Payer payer, WallTime due) {
  const auto known = waiting_.find(number);
  if (known == waiting_.end() || known->second.payer != unknown || payer == unknown) return true;
  Waiting waiting = known->second;
  leave(number, waiting);
  const auto flow = flows_.find(payer);
  const std::size_t held = flow == flows_.end() ? 0 : flow->second.sent_count;
  const bool may_go = policy::may_take_place(held, sent_count_, sent_max_);
  waiting.payer = payer;
  if (!may_go) {
    waiting.is_sent = false;
    waiting.due = due;
  }
  enter(number, waiting);
  return may_go;
}

}  // namespace canopy::store
