#include "container/pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <sys/wait.h>

#include "base/units.h"

namespace canopy::container {

std::shared_ptr<Pool> Pool::make(Keeper& keeper, PoolOptions options) {
  exec::Core& core = keeper.core();
  std::shared_ptr<Pool> pool(new Pool(keeper, std::move(options)),
                             [&core](Pool* one) { core.post([one] { delete one; }); });
  core.post([&keeper, weak = std::weak_ptr(pool)] { keeper.add(weak); });
  return pool;
}

Pool::Pool(Keeper& keeper, PoolOptions options)
    : keeper_(keeper),
      options_(std::move(options)),
      idle_alarm_(keeper.core()),
      again_alarm_(keeper.core()) {}

// -- calls: any core's thread

void Pool::take(const std::shared_ptr<Ticket>& ticket) {
  const Lock lock(mutex_);
  if (failure_ && keeper_.core().clock().now() < failed_until_ && members_.empty()) {
    ticket->refusal = failure_;
    return;
  }
  if (Member* const member = line_.empty() ? choose(lock) : nullptr) {
    ticket->grant = grant_place(*member, lock);
    return;
  }
  if (line_.size() >= options_.settings.queue) {
    ticket->refusal = Error{Code::exhausted,
                            "as many calls wait for a container of the function as may: " +
                                std::to_string(options_.settings.queue) +
                                "; try again, or raise its 'queue' or 'instances'",
                            Stage::queue};
    return;
  }
  line_.push_back(ticket);
  poke();
}

std::optional<Result<Grant>> Pool::look(Ticket& ticket) {
  const Lock lock(mutex_);
  if (ticket.grant) return *std::exchange(ticket.grant, std::nullopt);
  if (ticket.refusal) return tl::unexpected(*std::exchange(ticket.refusal, std::nullopt));
  return std::nullopt;
}

void Pool::leave(Ticket& ticket) {
  std::optional<Grant> grant;
  {
    const Lock lock(mutex_);
    std::erase_if(line_, [&ticket](const auto& one) { return one.get() == &ticket; });
    grant = std::exchange(ticket.grant, std::nullopt);
  }
  if (grant) give(grant->member, std::move(grant->connection), After::good);
}

void Pool::give(const std::shared_ptr<Member>& member, Descriptor connection, After after) {
  const Lock lock(mutex_);
  --member->running;
  member->used = keeper_.core().clock().now();
  if (after != After::good || is_single_use()) {
    member->state = Member::State::leaving;
    member->is_broken = member->is_broken || after == After::broken;
  }
  if (connection && member->state == Member::State::ready && member->idle.size() < places()) {
    member->idle.push_back(std::move(connection));
  }
  serve_line(lock);
  if (member->state == Member::State::leaving || (is_retired_ && member->running == 0)) poke();
  if (member->running == 0 && keeper_.is_room_wanted()) {
    keeper_.core().post([&keeper = keeper_] { keeper.on_idle(); });
  }
}

std::optional<End> Pool::ask_end(Member& member, exec::Core& core, std::function<void()> on_end) {
  const Lock lock(mutex_);
  if (member.ended || !on_end) return member.ended;
  member.on_end.emplace_back(&core, std::move(on_end));
  return std::nullopt;
}

std::uint32_t Pool::running_count(const Member& member) const {
  const Lock lock(mutex_);
  return member.running;
}

void Pool::retire() {
  const Lock lock(mutex_);
  is_retired_ = true;
  poke();
}

std::size_t Pool::member_count() const {
  const Lock lock(mutex_);
  return members_.size();
}

exec::Standing Pool::standing() const {
  const Lock lock(mutex_);
  const auto stands = [](const auto& one) {
    return one->state != Member::State::leaving || one->running > 0;
  };
  return {.count = static_cast<std::size_t>(std::ranges::count_if(members_, stands)),
          .is_crashed = is_crashed_};
}

// The one that has least to do, of those that take one more.
Member* Pool::choose(const Lock& /*lock*/) const {
  Member* best = nullptr;
  for (const auto& member : members_) {
    if (member->state != Member::State::ready || member->running >= places()) continue;
    if (best == nullptr || member->running < best->running) best = member.get();
  }
  return best;
}

Grant Pool::grant_place(Member& member, const Lock& /*lock*/) {
  ++member.running;
  Grant grant;
  grant.is_first = member.call_count++ == 0;
  for (const auto& one : members_) {
    if (one.get() == &member) grant.member = one;
  }
  if (!member.idle.empty()) {
    grant.connection = std::move(member.idle.back());
    member.idle.pop_back();
  }
  return grant;
}

void Pool::serve_line(const Lock& lock) {
  while (!line_.empty()) {
    Member* const member = choose(lock);
    if (member == nullptr) return;
    const std::shared_ptr<Ticket> next = std::move(line_.front());
    line_.pop_front();
    next->grant = grant_place(*member, lock);
    next->core.post([next] {
      if (next->wake) next->wake();
    });
  }
}

void Pool::refuse_line(const Error& error, const Lock& /*lock*/) {
  for (const auto& ticket : std::exchange(line_, {})) {
    ticket->refusal = error;
    ticket->core.post([ticket] {
      if (ticket->wake) ticket->wake();
    });
  }
}

std::size_t Pool::calls(const Lock& /*lock*/) const {
  std::size_t count = line_.size();
  for (const auto& member : members_) count += member->state == Member::State::ready ? member->running : 0;
  return count;
}

void Pool::poke() {
  if (std::exchange(is_poked_, true)) return;
  keeper_.core().post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    {
      const Lock lock(self->mutex_);
      self->is_poked_ = false;
    }
    self->adjust();
  });
}

std::string end_text(const End& end, std::uint64_t memory_bytes) {
  if (end.out_of_memory) {
    return "its container needed more than the memory it may have, " + size_text(memory_bytes) +
           ", and was ended";
  }
  if (!WIFSIGNALED(end.status))
    return "its container ended with status " + std::to_string(WEXITSTATUS(end.status));
  const int number = WTERMSIG(end.status);
  const char* const name = sigabbrev_np(number);
  return "its container was ended by signal " + std::to_string(number) +
         (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
}

}  // namespace canopy::container
