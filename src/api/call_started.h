#pragma once
// The event `call.started`.

#include "api/feed.h"
#include "api/running.h"

namespace canopy::api {

// Tells whoever follows that the instance of `running` begins, now that its function was made ready, which
// took `making`; the call was taken at `queued`.
void tell_started(Feed& feed, const Running& running, Duration making, WallTime queued);

}  // namespace canopy::api
