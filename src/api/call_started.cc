#include "api/call_started.h"

#include <algorithm>

#include "wire/json.h"

namespace canopy::api {

void tell_started(Feed& feed, const Running& running, Time now, WallTime queued) {
  if (!feed.is_followed()) return;
  const auto make = [&] {
    Record record = record_of(running, now, false);
    record.state = State::running;
    record.started = running.queued + (now - running.call.queued);
    record.queued = queued;
    record.usage.queue_time = std::max<Duration>(record.started - queued, Duration::zero());
    record.usage.run_time = Duration::zero();
    return wire::to_json(record);
  };
  feed.publish({.kind = Happening::Kind::call_started,
                .function = running.version->function->name,
                .call = running.call.id,
                .text = {}},
               make);
}

}  // namespace canopy::api
