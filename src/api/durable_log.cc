#include "api/durable_log.h"

#include <functional>

#include "api/calls.h"
#include "api/durable_engine.h"

namespace canopy::api {

Error stopping() {
  return {Code::unavailable, "the server finishes what runs and then stops; ask another one", Stage::queue};
}

Result<void> keep_input(const Here& here, const DurableCall& call, Duration& retry_after) {
  const auto owner = here.platform.owners.of(call.function.space);
  if (owner == nullptr) return {};
  return owner->keep(here.core.clock().now(), call.input.size(), retry_after);
}

LogAnswer<store::Accepted> begin_append(const Here& here, DurableCall call) {
  const Options& options = here.platform.options;
  if (const auto owner = here.platform.owners.of(call.function.space)) {
    call.owner = std::to_string(owner->id());
    call.owner_waiting_max = owner->quotas().queued_calls;
  }
  call.keep = options.result_ttl;
  call.deadline = here.platform.clock.wall_now() + options.call_age_max;
  LogAnswer<store::Accepted> answer(here.core);
  here.platform.call_log->append(std::move(call), answer.done());
  return answer;
}

net::Task<Result<store::Accepted>> append_durable(const Here& here, DurableCall call) {
  LogAnswer<store::Accepted> answer = begin_append(here, std::move(call));
  co_return co_await answer.wait();
}

net::Task<Result<DurableRecord>> look_up_durable(const Here& here, CallId id) {
  const std::function<Result<DurableRecord>()> work = [&log = *here.platform.call_log, id,
                                                       who = here.who]() -> Result<DurableRecord> {
    auto found = log.find(id);
    if (found && !who->sees(found->record)) return tl::unexpected(no_such_call(id));
    return found;
  };
  auto found = co_await net::run_blocking<DurableRecord>(here.platform.disk, work);
  // As long as one that is not there, which is looked for in both places.
  if (!found) static_cast<void>(co_await find_plain(here, id));
  co_return found;
}

net::Task<Result<store::StoredResult>> durable_result(const Here& here, CallId id) {
  const std::function<Result<store::StoredResult>()> work = [&log = *here.platform.call_log, id] {
    return log.result(id);
  };
  return net::run_blocking<store::StoredResult>(here.platform.disk, work);
}

net::Task<Result<store::Cancelled>> cancel_durable(const Here& here, CallId id) {
  LogAnswer<store::Cancelled> answer(here.core);
  here.platform.call_log->cancel(id, answer.done());
  auto cancelled = co_await answer.wait();
  if (cancelled && cancelled->was_running) here.platform.durable->cancel(id);
  co_return cancelled;
}

net::Task<Result<void>> forget_durable(const Here& here, CallId id) {
  LogAnswer<void> answer(here.core);
  here.platform.call_log->forget(id, answer.done());
  co_return co_await answer.wait();
}

}  // namespace canopy::api
