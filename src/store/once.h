#pragma once
// Has work that is named done once, however many want it at one moment: who comes while it is under way waits
// for it, and has the result of the one that came first.
//
// Threads: any; blocks, no longer than the work or the patience of who waits.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::store {

class Once {
 public:
  // `patience`: so long one waits for who does it.
  explicit Once(Duration patience) : patience_(patience) {}

  //   unavailable  it is under way for too long
  //   and what `work` says
  Result<void> run(std::string_view name, const std::function<Result<void>()>& work) {
    std::unique_lock lock(mutex_);
    const auto [at, is_first] = under_way_.try_emplace(std::string(name));
    if (is_first) at->second = std::make_shared<Work>();
    const std::shared_ptr<Work> mine = at->second;
    if (!is_first) {
      if (!mine->ended.wait_for(lock, patience_, [&mine] { return mine->result.has_value(); })) {
        return fail(Code::unavailable, "another thread is at the same for too long; try again soon");
      }
      return *mine->result;
    }
    lock.unlock();
    Result<void> result = work();
    lock.lock();
    mine->result = result;
    under_way_.erase(std::string(name));
    mine->ended.notify_all();
    return result;
  }

 private:
  struct Work {
    std::condition_variable ended;
    std::optional<Result<void>> result;
  };

  const Duration patience_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Work>> under_way_;  // Guarded by mutex_, as is each result.
};

}  // namespace canopy::store
