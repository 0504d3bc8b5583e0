#pragma once
// How much at which rate: a bucket that holds a minute's worth, refills evenly, and may run into debt by the
// one thing that emptied it. Its whole state is one number, so that cores share it without a lock.
//
// Promised: in any span of time T a user gets no more than a minute's worth plus T's worth, whichever cores
// are asked; what is measured after the fact (bytes) may be more by what is under way.

#include <cstdint>

#include "base/clock.h"
#include "model/user.h"

namespace canopy::policy {

// The moment at which the bucket will be full again; in the past: it is full.
using BucketState = Time::rep;

struct BucketDecision {
  bool admitted = false;
  BucketState state = 0;   // What it is now.
  Duration retry_after{};  // Where it was not admitted: when it would be. At least a second.
};

// Takes `cost` out of a bucket of `per_minute`; where it is not there, nothing.
BucketDecision take(BucketState state, Time now, std::uint64_t per_minute, std::uint64_t cost);

// Takes it whether it is there or not.
BucketState charge(BucketState state, Time now, std::uint64_t per_minute, std::uint64_t cost);

// Whether anything is left; and if not, when.
BucketDecision look(BucketState state, Time now, std::uint64_t per_minute);

// What a user's functions take of what is kept.
struct Kept {
  std::uint64_t functions = 0;
  std::uint64_t code_bytes = 0;
};

// Which quota a deployment would go past: a field's name; "" for none. `before` is what there is without the
// function, `more` the function itself.
std::string_view exceeded(const Quotas& quotas, const Kept& before, const Kept& more);

}  // namespace canopy::policy
