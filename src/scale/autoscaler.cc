#include "scale/autoscaler.h"

#include "base/log.h"

namespace canopy::scale {

Duration Autoscaler::tick() {
  policy::FleetLoad load = fleet_.load();
  const auto backlog = backlog_();
  if (!backlog) {
    load.waiting_count.reset();
  } else if (load.waiting_count) {
    *load.waiting_count += *backlog;
  }
  const std::uint32_t wanted = scaler_.decide(load);
  if (wanted != load.worker_count) {
    log::info("{} workers are wanted, there are {} (waiting {}, running {})", wanted, load.worker_count,
              load.waiting_count.value_or(0), load.running_count.value_or(0));
    fleet_.resize(wanted);
  }
  return scaler_.period();
}

}  // namespace canopy::scale
