#pragma once
// Asking the log of durable calls from a core, which must not wait on it: what every API does with them.
//
// Threads: the core's.

#include <memory>
#include <optional>
#include <utility>

#include "api/alarm.h"
#include "api/here.h"
#include "net/event.h"
#include "net/task.h"
#include "store/call_log.h"

namespace canopy::api {

inline constexpr Duration disk_patience = std::chrono::seconds(30);

// Waits on this core for what a log's thread will say; not longer than disk_patience from when it was made,
// so that who waits for many waits no longer than for one.
template <class T>
class LogAnswer {
 public:
  explicit LogAnswer(exec::Core& core)
      : core_(core), until_(core.clock().now() + disk_patience), state_(std::make_shared<State>()) {}

  store::CallLog::Done<T> done() const {
    return [state = state_, &core = core_](Result<T> result) {
      core.post([state, result = std::move(result)] {
        state->result = result;
        state->event.set();
      });
    };
  }

  net::Task<Result<T>> wait() {
    const auto state = state_;
    Alarm alarm(core_);
    alarm.set(until_, [state] { state->event.set(); });
    co_await state->event.wait();
    if (state->result) co_return *std::move(state->result);
    co_return fail(Code::unavailable,
                   "the disk has not taken it yet, so whether it is kept is not known; ask again with an "
                   "Idempotency-Key");
  }

 private:
  struct State {
    std::optional<Result<T>> result;
    net::Event event;
  };
  exec::Core& core_;
  const Time until_;
  const std::shared_ptr<State> state_;
};

// Why nothing new begins here any more.
Error stopping();

// Whether the input of `call` is within its owner's quota, against which it counts then. Before
// append_durable().
//   exhausted  it is not, before `retry_after` has passed
Result<void> keep_input(const Here& here, const DurableCall& call, Duration& retry_after);

// Queues `call`; whose it is, and how long it is kept, is written in here.
//   as CallLog::append()
LogAnswer<store::Accepted> begin_append(const Here& here, DurableCall call);
net::Task<Result<store::Accepted>> append_durable(const Here& here, DurableCall call);

// What is known of a call; not_found also where whoever asks may not see it.
//   as CallLog::find()
net::Task<Result<DurableRecord>> look_up_durable(const Here& here, CallId id);

//   as CallLog::result()
net::Task<Result<store::StoredResult>> durable_result(const Here& here, CallId id);

// Ends it, whether it waits or runs.
//   as CallLog::cancel()
net::Task<Result<store::Cancelled>> cancel_durable(const Here& here, CallId id);

//   as CallLog::forget()
net::Task<Result<void>> forget_durable(const Here& here, CallId id);

}  // namespace canopy::api
