#pragma once
// For tests of the call log: it is asked, and the answer waited for.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "store/call_log.h"

namespace canopy::store {

// Waits until `start` has called what it was given.
template <class T, class Start>
Result<T> wait_for(const Start& start) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<T>> result;
  };
  const auto waiting = std::make_shared<Waiting>();
  start([waiting](Result<T> result) {
    const std::lock_guard lock(waiting->mutex);
    waiting->result = std::move(result);
    waiting->changed.notify_all();
  });
  std::unique_lock lock(waiting->mutex);
  const bool answered =
      waiting->changed.wait_for(lock, std::chrono::seconds(60), [&] { return waiting->result.has_value(); });
  CANOPY_CHECK(answered);
  return *std::move(waiting->result);
}

inline DurableCall call_of(std::string_view function, std::string input = "input") {
  DurableCall call;
  call.function = *parse_function_name(function);
  call.input = std::move(input);
  return call;
}

inline Result<Accepted> append(CallLog& log, DurableCall call) {
  return wait_for<Accepted>([&](const auto& done) { log.append(std::move(call), done); });
}
inline Result<void> complete(CallLog& log, const Lease& lease, Outcome outcome) {
  return wait_for<void>([&](const auto& done) { log.complete(lease, std::move(outcome), done); });
}
inline Result<Cancelled> cancel(CallLog& log, CallId id) {
  return wait_for<Cancelled>([&](const auto& done) { log.cancel(id, done); });
}
inline Result<FunctionName> redrive(CallLog& log, CallId id,
                                    std::optional<std::uint64_t> owner_waiting_max = {}) {
  return wait_for<FunctionName>([&](const auto& done) { log.redrive(id, owner_waiting_max, done); });
}

inline std::vector<LeasedCall> lease(CallLog& log, std::size_t count, Time until = never) {
  return log.lease({.count_max = count, .until = until, .concurrency = {}});
}
inline std::optional<LeasedCall> lease_one(CallLog& log, Time until = never) {
  auto leased = lease(log, 1, until);
  if (leased.empty()) return std::nullopt;
  return std::move(leased.front());
}

inline Outcome good_outcome(const Clock& clock, std::string output = "output") {
  Outcome outcome;
  outcome.started = outcome.ended = clock.wall_now();
  outcome.status = 200;
  outcome.output = std::move(output);
  outcome.log = "a line\n";
  return outcome;
}
inline Outcome bad_outcome(const Clock& clock, Code code = Code::died) {
  Outcome outcome = good_outcome(clock, "");
  outcome.status = 0;
  outcome.error = Error{code, "it trapped", Stage::run};
  return outcome;
}

}  // namespace canopy::store
