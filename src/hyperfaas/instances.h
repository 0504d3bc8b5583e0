#pragma once
// The instances that leaves of HyperFaaS start, call and stop, and what happens to them. Here they are names:
// a call has what it needs made for it (or takes a place in a container), whichever instance it is told to be
// of.
//
//   start() ─▶ START … begin_call(), end_call() … ─▶ STOP | TIMEOUT after its idle time | DOWN after a crash
//
// Threads: any.
// Life:    outlives its listeners.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "exec/runtime.h"
#include "hyperfaas/news.h"
#include "model/function.h"
#include "wire/hyperfaas.h"

namespace canopy::hyperfaas {

class Instances {
 public:
  // The event has the function's id; `function` is where it is here.
  struct Happening {
    FunctionName function;
    wire::InstanceEvent event;
  };
  using Events = News<Happening>;

  struct Moment {
    Time now{};
    WallTime wall{};
  };

  // The id of a new one, 12 hexadecimal digits.
  //   exhausted  there are as many as may be, or as many of one namespace
  Result<std::string> start(const FunctionName& function, Duration idle, Moment at);
  // One could not be started.
  void fail_start(const FunctionName& function, Moment at);

  // The instance that takes a call: they take turns. One is started where there is none; after a restart of
  // this server a leaf believes that its instances are still there.
  //   exhausted
  Result<std::string> begin_call(const FunctionName& function, Duration idle, Moment at);
  // `crashed`: the instance with it.
  void end_call(const FunctionName& function, const std::string& instance, bool crashed, Moment at);

  // What function that is one of; nothing where there is no such instance.
  std::optional<FunctionName> find(const std::string& instance) const;
  // False where there is no such instance.
  bool stop(const std::string& instance, Moment at);
  // Those that have been idle for as long as they may be are gone; so are those that had a call, once nothing
  // of their function stands any more. `standing` is asked of so many functions at most, of which each has
  // its turn; all else takes as long as there are some to end.
  using FindStanding = std::function<std::optional<exec::Standing>(const FunctionName& function)>;
  void expire(Moment at, const FindStanding& standing = nullptr);

  // What happens from now on; or, where a listener with that node's id has left a moment ago, from there on.
  // Null where as many of that user's listen as may. "" is the id of none.
  std::unique_ptr<Events::Listener> listen(exec::Core& core, std::uint64_t user, const std::string& node,
                                           Time now);
  // The listener of that node has heard all before `next`, and goes.
  void leave(const std::string& node, std::uint64_t next, Time now);

  std::size_t count() const;

  static constexpr std::size_t count_max = 100'000;  // Of which one namespace may have a part: policy/share.h
  static constexpr std::size_t standing_asks_max = 1000;
  static constexpr std::size_t events_max = 10'000;
  static constexpr std::size_t listeners_max = 256;
  static constexpr std::size_t nodes_max = 1000;
  static constexpr Duration remembered_time = std::chrono::seconds(20);  // As the worker of HyperFaaS says.

 private:
  using Kind = wire::InstanceEvent::Kind;
  struct Instance {
    FunctionName function;
    std::uint64_t running = 0;
    bool has_called = false;
    Time used{};
    Duration idle{};
  };
  struct Left {
    std::uint64_t next = 0;
    Time at{};
  };
  using Lock = std::lock_guard<std::mutex>;
  using Place = std::map<std::string, Instance>::iterator;

  bool has_room(const std::string& space, const Lock& lock) const;
  std::string add(const FunctionName& function, Duration idle, Moment at, const Lock& lock);
  void remove(Place at, const Lock& lock);
  // It has no call from now on; it has one.
  void rest(Place at, const Lock& lock);
  void rouse(Place at, const Lock& lock);
  void expire(Place at, bool is_crash, WallTime wall, const Lock& lock);
  void expire_fallen(Moment at, const FindStanding& standing, const Lock& lock);
  void publish(Kind kind, bool is_failure, const FunctionName& function, const std::string& instance,
               WallTime at);

  mutable std::mutex mutex_;
  std::map<std::string, Instance> instances_;  // Guarded by it, as are the rest.
  // Those of each function, and which took the last call.
  struct Turns {
    std::map<std::string, Instance*> members;
    std::string last;
  };
  std::map<FunctionName, Turns> by_function_;
  std::map<std::string, std::size_t> by_space_;        // How many are its functions'.
  std::set<std::pair<Time, std::string>> resting_;     // Without a call, by when their idle time is over.
  std::map<FunctionName, std::set<std::string>> had_;  // Those of them that had a call before.
  FunctionName asked_last_;                            // Of what stands of it.
  std::map<std::string, Left> left_;
  Events events_{events_max, listeners_max};
};

}  // namespace canopy::hyperfaas
