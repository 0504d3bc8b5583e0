#pragma once
// What happens, for those who listen: each of them hears all of it, in order. The last of it is kept, so that
// who comes back hears what was missed; who falls further behind than that is told so.
//
// Threads: publish() and next() any; a Listener belongs to the core that it was made for.
// Life:    outlives its listeners; the cores outlive both.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "exec/core.h"
#include "net/event.h"
#include "policy/share.h"

namespace canopy::hyperfaas {

template <class Happening>
class News {
 public:
  class Listener {
   public:
    ~Listener() { news_.leave(state_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // What came since the last time; nothing where some of it is not kept any more.
    std::optional<std::vector<Happening>> take() { return news_.take(*state_); }
    // Set when there may be something to take; whoever listens may set it for reasons of its own.
    net::Event& event() { return state_->event; }
    // The number of what it hears next.
    std::uint64_t next() const { return news_.next_of(*state_); }

   private:
    friend class News;
    struct State {
      State(exec::Core& home, std::uint64_t whose) : core(home), user(whose) {}
      exec::Core& core;
      const std::uint64_t user;
      net::Event event;        // The core's alone.
      std::uint64_t next = 0;  // This and the rest: guarded by the mutex of the news.
      bool is_woken = false;
    };

    Listener(News& news, std::shared_ptr<State> state) : news_(news), state_(std::move(state)) {}

    News& news_;
    const std::shared_ptr<State> state_;
  };

  News(std::size_t kept_max, std::size_t listeners_max)
      : kept_max_(kept_max), listeners_max_(listeners_max) {}

  // From what is published next, or from that number on; for that user. Null where as many listen as may, or
  // as many of one user's.
  std::unique_ptr<Listener> listen(exec::Core& core, std::uint64_t user,
                                   std::optional<std::uint64_t> from = std::nullopt) {
    const std::lock_guard lock(mutex_);
    const auto own = std::ranges::count(listeners_, user, [](const auto& one) { return one->user; });
    const std::size_t free = listeners_max_ - listeners_.size();
    if (!policy::may_have_more(static_cast<std::size_t>(own), free)) return nullptr;
    auto state = std::make_shared<typename Listener::State>(core, user);
    state->next = std::min(from.value_or(end_), end_);
    listeners_.push_back(state);
    if (state->next < end_) wake(state);
    return std::unique_ptr<Listener>(new Listener(*this, std::move(state)));
  }

  void publish(Happening happening) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(happening));
    ++end_;
    if (kept_.size() > kept_max_) kept_.pop_front();
    for (const auto& state : listeners_) wake(state);
  }

  // The number of what is published next.
  std::uint64_t end() const {
    const std::lock_guard lock(mutex_);
    return end_;
  }

 private:
  using State = typename Listener::State;

  void leave(const std::shared_ptr<State>& state) {
    const std::lock_guard lock(mutex_);
    std::erase(listeners_, state);
  }

  std::uint64_t next_of(const State& state) const {
    const std::lock_guard lock(mutex_);
    return state.next;
  }

  std::optional<std::vector<Happening>> take(State& state) {
    const std::lock_guard lock(mutex_);
    state.is_woken = false;
    const std::uint64_t first = end_ - kept_.size();
    if (state.next < first) return std::nullopt;
    const auto from = kept_.begin() + static_cast<std::ptrdiff_t>(state.next - first);
    state.next = end_;
    return std::vector<Happening>(from, kept_.end());
  }

  // The mutex is held.
  static void wake(const std::shared_ptr<State>& state) {
    if (std::exchange(state->is_woken, true)) return;
    state->core.post([state] { state->event.set(); });
  }

  const std::size_t kept_max_;
  const std::size_t listeners_max_;
  mutable std::mutex mutex_;
  std::deque<Happening> kept_;  // Guarded by it, as are the rest.
  std::uint64_t end_ = 0;
  std::vector<std::shared_ptr<State>> listeners_;
};

}  // namespace canopy::hyperfaas
