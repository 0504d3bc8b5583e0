#include "api/call_started.h"

#include <algorithm>

#include "wire/json.h"

namespace canopy::api {

void tell_started(Feed& feed, const Running& running, Duration making, WallTime queued) {
  if (!feed.is_followed()) return;
  const auto make = [&] {
    Record record = record_of(running, running.call.queued + making, false);
    record.state = State::running;
    record.started = running.queued + making;
    record.queued = queued;
    record.usage = {.wait_time = std::max<Duration>(record.started - queued, making), .start_time = making};
    return wire::to_json(record);
  };
  feed.publish({.kind = Happening::Kind::call_started,
                .function = running.version->function->name,
                .call = running.call.id,
                .text = {}},
               make);
}

}  // namespace canopy::api
