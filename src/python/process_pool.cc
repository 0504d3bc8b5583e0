#include "python/process_pool.h"

#include <utility>

namespace canopy::python {

ProcessPool::ProcessPool(exec::Core& core, std::shared_ptr<Zygote> zygote, KeepOptions options)
    : core_(core), zygote_(std::move(zygote)), options_(options), used_(core.clock().now()) {}

Result<std::shared_ptr<Process>> ProcessPool::acquire() {
  used_ = core_.clock().now();
  while (!idle_.empty()) {
    const std::shared_ptr<Process> process = std::move(idle_.back().process);
    idle_.pop_back();
    if (!process->is_reusable()) continue;
    ++busy_count_;
    return process;
  }
  auto process = Process::fork(core_, zygote_);
  if (process) ++busy_count_;
  return process;
}

bool ProcessPool::would_keep(const Process& process) const {
  return !retired_ && idle_.size() < options_.count_max && process.call_count() < options_.calls_max &&
         process.is_reusable();
}

void ProcessPool::release(std::shared_ptr<Process> process, bool keep) {
  --busy_count_;
  if (!keep || !would_keep(*process)) return;
  process->pause();
  idle_.push_back({.since = core_.clock().now(), .process = std::move(process)});
}

void ProcessPool::end_longest_idle() {
  if (!idle_.empty()) idle_.pop_front();
}

void ProcessPool::end(const Error& why) {
  idle_.clear();
  zygote_->end(why);
}

void ProcessPool::end_soon() {
  core_.post([self = shared_from_this()] {
    self->retired_ = true;
    self->idle_.clear();
  });
  zygote_->end_soon();
}

}  // namespace canopy::python
