#pragma once
// Where containers live: one thread that hears of all of them, a pool of threads that wait for the engine,
// and how many there may be.
//
// Threads: the keeper's own, but for what says otherwise.
// Life:    engine, core and what posts blocking work outlive it; so does it all pools.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "container/engine.h"
#include "exec/core.h"

namespace canopy::container {

// Who has containers here.
class Tenant {
 public:
  virtual ~Tenant() = default;
  // The namespace of its function: those of one have a part of the room, and leave some to others.
  virtual const std::string& space() const = 0;
  // Since when one of its containers has had nothing to do, that longest; never where none is idle.
  virtual Time idle_since() const = 0;
  // Stops that one.
  virtual void stop_idle() = 0;
  // There may be room for one more container.
  virtual void on_room() = 0;
  // Stops all that it has, at once.
  virtual void end() = 0;
};

// Runs blocking work elsewhere. There is always room for it: each container that may be has one piece of it
// at a time, its start or its end. False would be a mistake of ours.
using PostBlocking = std::function<bool(std::function<void()>)>;

class Keeper {
 public:
  Keeper(Engine& engine, exec::Core& core, PostBlocking post_blocking, std::size_t containers_max)
      : engine_(engine),
        core_(core),
        post_blocking_(std::move(post_blocking)),
        containers_max_(containers_max) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  exec::Core& core() { return core_; }  // Any thread.
  std::size_t containers_max() const { return containers_max_; }

  void add(std::weak_ptr<Tenant> tenant);

  // Why room is wanted: for calls that wait, or only to have a container that none waits for.
  enum class For : std::uint8_t { calls, later };

  // Room for one container. Where there is none, or its namespace has as many as it may (policy/share.h),
  // `wanting` hears of it when its turn comes; and for calls somebody's idle one is stopped, of that
  // namespace where only that has too many. Else those who want some for later would stop each other's
  // without end.
  bool take_room(const std::shared_ptr<Tenant>& wanting, For what);
  void give_room(const std::string& space);
  // Whether somebody waits for room; any thread. Who has an idle container then says so.
  bool is_room_wanted() const { return is_room_wanted_.load(std::memory_order_relaxed); }
  void on_idle() { make_room(); }
  std::size_t used_room() const { return used_; }

  // Starts a container; `done` hears of it on the keeper's thread.
  using OnStarted = std::function<void(Result<std::shared_ptr<Started>>)>;
  void start(Plan plan, OnStarted done);
  // Has nothing of `started` left; then `done` is called on the keeper's thread.
  void bury(std::shared_ptr<Started> started, std::function<void()> done);

  // Nothing is started from now on, and all is stopped.
  void close();
  bool is_closed() const { return closed_; }

  // A name that no other container of this machine has.
  std::string next_id();

 private:
  using Tenants = std::list<std::weak_ptr<Tenant>>;

  std::size_t free_room() const { return containers_max_ - used_; }
  bool may_take(const std::string& space, std::size_t free) const;
  bool is_wanted(const std::string& space) const;
  void make_room();
  void offer_room(Tenants& line);

  Engine& engine_;
  exec::Core& core_;
  const PostBlocking post_blocking_;
  const std::size_t containers_max_;
  std::size_t used_ = 0;
  std::map<std::string, std::size_t> used_by_;  // By namespace.
  std::size_t stopping_count_ = 0;              // Idle ones that were stopped for others.
  Tenants tenants_;
  Tenants wanting_;  // For calls: they come first.
  Tenants wanting_later_;
  std::uint64_t last_number_ = 0;
  bool closed_ = false;
  std::atomic<bool> is_room_wanted_ = false;
};

}  // namespace canopy::container
