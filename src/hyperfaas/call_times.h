#pragma once
// When what happened to a call, as HyperFaaS tells it in six trailers; its load generators demand them all.
//
//   leafgotrequesttimestamp <= leafscheduledcalltimestamp <= callqueuedtimestamp <= gotresponsetimestamp
//   functionprocessingtime = gotresponsetimestamp - callqueuedtimestamp
//
// Timestamps are nanoseconds since 1970, times nanoseconds, all of them decimal.

#include <optional>
#include <string>

#include "api/caller.h"
#include "base/clock.h"
#include "hyperfaas/answer.h"

namespace canopy::hyperfaas {

struct CallTimes {
  WallTime got{};        // The request,
  WallTime scheduled{};  // a place for it,
  WallTime queued{};     // its turn there,
  WallTime answered{};   // and its answer.
  std::string instance;  // 12 hexadecimal digits.
};

// Why a call failed: that it did not end well, or that its function answered with a status that says so.
std::optional<Error> failure_of(const Reply& reply);

// Of a call whose request came at `got`. An instance that serves one call has the first digits of that call's
// id as its own.
CallTimes times_of(const api::ForeignEnd& end, WallTime got);

Trailers leaf_trailers(const CallTimes& times);    // All six.
Trailers worker_trailers(const CallTimes& times);  // The three that a worker tells.

}  // namespace canopy::hyperfaas
