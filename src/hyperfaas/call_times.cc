#include "hyperfaas/call_times.h"

#include <algorithm>

#include "base/id.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::size_t instance_digits = 12;
constexpr int first_failure = 400;
constexpr std::size_t words_max = 1024;

std::string stamp(WallTime time) { return std::to_string(time.time_since_epoch().count()); }

}  // namespace

std::optional<Error> failure_of(const Reply& reply) {
  if (reply.error || reply.status < first_failure) return reply.error;
  const std::string words = reply.output.substr(0, words_max);
  return Error{Code::function_failed,
               words.empty() ? "the function answered " + std::to_string(reply.status) : words, Stage::run};
}

CallTimes times_of(const api::ForeignEnd& end, WallTime got) {
  const Usage& usage = end.reply.usage;
  CallTimes times;
  times.got = got;
  times.scheduled = std::max(end.queued, got);
  times.queued = times.scheduled + std::max(usage.wait_time, Duration::zero());
  times.answered = times.queued + std::max(usage.run_time, Duration::zero());
  if (end.id) times.instance = to_text(*end.id).substr(0, instance_digits);
  return times;
}

Trailers worker_trailers(const CallTimes& times) {
  return {{"callqueuedtimestamp", stamp(times.queued)},
          {"gotresponsetimestamp", stamp(times.answered)},
          {"functionprocessingtime", std::to_string((times.answered - times.queued).count())}};
}

Trailers leaf_trailers(const CallTimes& times) {
  Trailers trailers = worker_trailers(times);
  trailers.push_back({"leafgotrequesttimestamp", stamp(times.got)});
  trailers.push_back({"leafscheduledcalltimestamp", stamp(times.scheduled)});
  trailers.push_back({"instanceid", times.instance});
  return trailers;
}

}  // namespace canopy::hyperfaas
