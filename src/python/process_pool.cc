#include "python/process_pool.h"

#include <utility>

namespace canopy::python {
namespace {

constexpr std::size_t fresh_max =
    2;  // So that the one that replaces the last one is not in the next one's way.

}  // namespace

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
  while (!fresh_.empty()) {
    const std::shared_ptr<Process> process = std::move(fresh_.front());
    fresh_.pop_front();
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
  refill_soon();
  if (!keep || !would_keep(*process)) return;
  process->pause();
  idle_.push_back({.since = core_.clock().now(), .process = std::move(process)});
}

void ProcessPool::end_longest_idle() {
  if (!idle_.empty()) idle_.pop_front();
}

// Behind the reply of the call that has just ended.
void ProcessPool::refill_soon() {
  if (std::exchange(refills_, true)) return;
  core_.post([weak = weak_from_this(), &core = core_] {
    core.post([weak] {
      if (const auto self = weak.lock()) self->refill();
    });
  });
}

void ProcessPool::refill() {
  refills_ = false;
  while (!retired_ && zygote_->is_ready() && fresh_.size() < fresh_max) {
    auto process = Process::fork(core_, zygote_);
    if (!process) return;
    fresh_.push_back(*std::move(process));
  }
}

void ProcessPool::end_waiting() {
  fresh_.clear();
  idle_.clear();
}

void ProcessPool::end(const Error& why) {
  end_waiting();
  zygote_->end(why);
}

void ProcessPool::end_soon() {
  core_.post([self = shared_from_this()] {
    self->retired_ = true;
    self->end_waiting();
  });
  zygote_->end_soon();
}

}  // namespace canopy::python
