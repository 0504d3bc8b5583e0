#pragma once
// What happens now, for those who follow it: each follower has a queue of its own with an end. Who is slower
// than what happens loses pieces, and is told how many.
//
// Publishing costs one read of a number where nobody follows.
//
// Threads: publish() and is_followed() from any; a Follower belongs to the core it was made for.
// Life:    the feed outlives its followers, and the cores outlive both.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exec/core.h"
#include "model/record.h"
#include "net/event.h"

namespace canopy::api {

// Something that happened. What has text for people who follow has it as JSON, on one line.
struct Happening {
  enum class Kind { log_piece, call_started, call_ended, deployed, rolled_back, removed, node_changed };
  Kind kind = Kind::log_piece;
  FunctionName function;  // Of nobody where it is about a node: then it is for who sees all.
  CallId call;
  std::uint64_t log_offset = 0;  // Where in its call's log the piece begins.
  std::string text;              // The piece itself, or JSON.
};

std::string_view name(Happening::Kind kind);  // "log", "call.started", "function.deployed", …

class Feed {
 public:
  using Wanted = std::function<bool(const Happening& happening)>;

  class Follower {
   public:
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    // What came since the last time, in order, and how many pieces were lost.
    std::vector<std::shared_ptr<const Happening>> take();
    std::uint64_t take_lost_count();
    // Set whenever there may be something to take; whoever follows may set it for reasons of its own.
    net::Event& event() { return state_->event; }

   private:
    friend class Feed;
    struct State {
      State(exec::Core& home, std::uint64_t of) : core(home), owner(of) {}
      exec::Core& core;
      const std::uint64_t owner;
      Wanted wanted;
      net::Event event;  // The core's alone.
      std::mutex mutex;
      std::deque<std::shared_ptr<const Happening>> queue;  // This and the rest: guarded by mutex.
      std::size_t bytes = 0;
      std::uint64_t lost_count = 0;
      bool wake_posted = false;
    };

    Follower(Feed& feed, std::shared_ptr<State> state) : feed_(feed), state_(std::move(state)) {}

    Feed& feed_;
    const std::shared_ptr<State> state_;
  };

  static constexpr std::size_t queue_count_max = 4096;
  static constexpr std::size_t queue_bytes_max = 1 << 20;
  static constexpr std::size_t followers_max = 256;
  // For those who have none yet. Of the others a user may have as many as are left, so that one has half of
  // them, the next half of the rest, and no few have all.
  static constexpr std::size_t first_places = followers_max / 8;
  static constexpr std::size_t followers_of_one_max = (followers_max - first_places) / 2;

  // Null where there are too many, or too many of `owner`, who is a user, or 0 for nobody. `wanted` is called
  // on any thread, must be quick, and must not look at the text, which is made only where somebody wants it.
  std::unique_ptr<Follower> follow(exec::Core& core, Wanted wanted, std::uint64_t owner = 0);

  bool is_followed() const { return follower_count_.load(std::memory_order_relaxed) > 0; }
  std::size_t follower_count() const { return follower_count_.load(std::memory_order_relaxed); }
  void publish(Happening happening, const std::function<std::string()>& make_text);
  // Sets the event of every follower.
  void wake_all();

 private:
  void leave(const std::shared_ptr<Follower::State>& state);

  std::atomic<std::size_t> follower_count_ = 0;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Follower::State>> followers_;  // Guarded by mutex_.
};

}  // namespace canopy::api
