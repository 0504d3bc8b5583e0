#pragma once
// Whether a durable call that failed is tried again, and when.
//
// Two budgets, since they mean two things. A *failure* is the function's own: it is tried again only as often
// as its caller asked, for functions have side effects. A *loss* is ours: the worker died under the call, and
// nobody knows how far it came; it is delivered again, so that a crash loses nothing, until a call that kills
// each worker it is given to has used up its losses.

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::policy {

struct RetryRule {
  std::uint32_t retries_max = 0;  // After a failure.
  std::uint32_t losses_max = 5;   // A call lost so often is not delivered again.
  Duration first_delay = std::chrono::seconds(1);
  Duration delay_max = std::chrono::minutes(5);
};

// What a call has used up, this end included.
struct Tries {
  std::uint32_t failures = 0;
  std::uint32_t losses = 0;
};

enum class AttemptEnd { failed, lost };

// How long it waits before it is tried again; nothing where it is not. Doubles from first_delay to delay_max;
// of that, `random` (from 0 to 1) chooses a point in the upper half, so that calls that failed together do
// not come back together. A first loss waits for nothing.
std::optional<Duration> retry_delay(const RetryRule& rule, const Tries& tries, AttemptEnd end, double random);

// Whether another attempt could end otherwise than with `code`.
bool is_worth_retrying(Code code);

}  // namespace canopy::policy
