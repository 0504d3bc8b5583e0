#include "policy/quota.h"

#include <algorithm>
#include <limits>

namespace canopy::policy {
namespace {

constexpr Duration a_minute = std::chrono::minutes(1);
constexpr Duration longest_debt = std::chrono::hours(1);

// How long the bucket takes to refill by `cost`. Debt is bounded: nobody is shut out for longer than that.
Duration refill_time(std::uint64_t per_minute, std::uint64_t cost) {
  if (per_minute == 0) return longest_debt;
  const double minutes = static_cast<double>(cost) / static_cast<double>(per_minute);
  const double nanoseconds = minutes * static_cast<double>(a_minute.count());
  if (nanoseconds >= static_cast<double>(longest_debt.count())) return longest_debt;
  return Duration(static_cast<Duration::rep>(nanoseconds));
}

Duration whole_seconds(Duration wait) {
  return std::max<Duration>(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1));
}

}  // namespace

BucketDecision take(BucketState state, Time now, std::uint64_t per_minute, std::uint64_t cost) {
  const BucketState at = now.time_since_epoch().count();
  const BucketState full = std::max(state, at) + refill_time(per_minute, cost).count();
  const BucketState over = full - (at + a_minute.count());
  // What costs more than a bucket holds would never be admitted; it is from a full one.
  const bool untouched = state <= at && per_minute > 0;
  if (per_minute > 0 && (over <= 0 || untouched)) return {.admitted = true, .state = full};
  const Duration wait = per_minute == 0 ? longest_debt : Duration(over);
  return {.admitted = false, .state = state, .retry_after = whole_seconds(wait)};
}

BucketState charge(BucketState state, Time now, std::uint64_t per_minute, std::uint64_t cost) {
  const BucketState at = now.time_since_epoch().count();
  const BucketState full = std::max(state, at) + refill_time(per_minute, cost).count();
  return std::min(full, at + longest_debt.count());
}

BucketDecision look(BucketState state, Time now, std::uint64_t per_minute) {
  const BucketState over = state - (now.time_since_epoch().count() + a_minute.count());
  if (per_minute > 0 && over < 0) return {.admitted = true, .state = state};
  const Duration wait = per_minute == 0 ? longest_debt : Duration(over);
  return {.admitted = false, .state = state, .retry_after = whole_seconds(wait)};
}

std::string_view exceeded(const Quotas& quotas, const Kept& before, const Kept& more) {
  if (quotas.functions && before.functions + more.functions > *quotas.functions) return "functions";
  if (quotas.code_bytes && before.code_bytes + more.code_bytes > *quotas.code_bytes) return "code_bytes";
  return "";
}

}  // namespace canopy::policy
