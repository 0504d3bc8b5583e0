#pragma once
// What every log makes of a call: how an attempt's end leaves it, and what is said of it. Pure; where the
// rows lie is not its business.
//
// Threads: any.

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "store/call_log.h"
#include "store/call_log_rows.h"

namespace canopy::store {

// What becomes of a call whose attempt has ended: it waits again, or has an end. One of the two.
struct Settled {
  std::optional<Progress> again;
  std::optional<EndedRow> ended;
};

struct AttemptEnded {
  std::uint32_t attempt = 1;
  policy::AttemptEnd end = policy::AttemptEnd::failed;
  bool is_final = false;  // It is not tried again whatever the budgets say.
  Body output{};
  Body log{};
};

// `outcome` is taken where the call has an end. `random`: as of policy::retry_delay().
Settled settle_attempt(const CallHead& head, const Progress& before, const AttemptEnded& how,
                       Outcome& outcome, policy::RetryRule rule, double random);

// Of a call that was cancelled; of `was_running` the attempt began at `started`.
EndedRow cancelled_row(CallHead head, Progress progress, bool was_running, WallTime started, WallTime now);

// How it stands once it is to be tried again after it failed: `ended` is taken apart.
struct Redriven {
  CallHead head;
  Progress progress;
};
Redriven redriven(EndedRow ended, WallTime now);

// What is said of a call but for its id, whether it runs, and its callback.
DurableRecord waiting_record(const CallHead& head, const Progress& progress);
DurableRecord ended_record(const EndedRow& ended);

// As many wait as may: "of this user".
Error queue_full(const std::string& what, std::uint64_t max);
Error quota_used_up(std::uint64_t max);
Error no_durable_call(CallId id);
Error late_end(const Lease& lease);

// An id is a random token, and the number hidden behind it: nobody can guess one or count calls, and finding
// a call needs no index. `key` is the log's own.
CallId hide_number(std::uint64_t number, std::uint64_t token, std::uint64_t key);
std::uint64_t bare_number(CallId id, std::uint64_t key);
// The number that ends in the half that is left of it, the last one up to `last`; 0 for none.
std::uint64_t bare_number(ShortId id, std::uint64_t key, std::uint64_t last);

}  // namespace canopy::store
