#include "api/running.h"

#include <utility>

#include "base/check.h"

namespace canopy::api {

RunningCalls::~RunningCalls() { CANOPY_CHECK(size_ == 0); }

Running& RunningCalls::begin(CallId id) {
  std::unique_ptr<Running> fresh;
  if (spare_.empty()) {
    fresh = std::make_unique<Running>();
  } else {
    fresh = std::move(spare_.back());
    spare_.pop_back();
  }
  Running& running = *fresh.release();  // The lists own it until end().
  running.call.id = id;
  running.older_ = newest_;
  running.newer_ = nullptr;
  if (newest_ != nullptr) newest_->newer_ = &running;
  newest_ = &running;
  running.next_in_bucket_ = std::exchange(bucket(id), &running);
  ++size_;
  return running;
}

void RunningCalls::end(Running& running) {
  if (running.older_ != nullptr) running.older_->newer_ = running.newer_;
  (running.newer_ != nullptr ? running.newer_->older_ : newest_) = running.older_;
  Running** at = &bucket(running.call.id);
  while (*at != &running) at = &(*at)->next_in_bucket_;
  *at = running.next_in_bucket_;
  --size_;

  std::unique_ptr<Running> owned(&running);
  if (spare_.size() >= kept_count_max) return;
  // All but the room that its headers took is made anew.
  running.call.headers.clear();
  auto headers = std::move(running.call.headers);
  if (headers.capacity() * sizeof(HeaderView) > kept_bytes_max) headers = {};
  running.call = Call();
  running.call.headers = std::move(headers);
  running.trace = {};
  running.stopped.reset();
  running.version = nullptr;
  running.exchange = nullptr;
  running.instance = nullptr;
  running.waits_for_template = nullptr;
  running.watched = false;
  running.reply = Reply();
  spare_.push_back(std::move(owned));
}

Running* RunningCalls::find(CallId id) const {
  Running* at = buckets_[id.low % bucket_count];
  while (at != nullptr && at->call.id != id) at = at->next_in_bucket_;
  return at;
}

void RunningCalls::for_each(const std::function<bool(Running& running)>& visit) const {
  for (Running* at = newest_; at != nullptr;) {
    Running* const older = at->older_;
    if (!visit(*at)) return;
    at = older;
  }
}

Record record_of(const Running& running, Time now, bool with_log) {
  Record record;
  record.id = running.call.id;
  record.function = running.version->function->name;
  record.owner = running.version->owner == nullptr ? 0 : running.version->owner->id();
  record.version = running.version->function->version;
  record.state = running.instance == nullptr ? State::queued : State::running;
  record.queued = running.queued;
  record.trace = running.trace;
  record.attempt = running.call.attempt;
  record.input_bytes = running.call.input.size();
  record.log_dropped_bytes = running.log.dropped_bytes();
  (running.instance == nullptr ? record.usage.wait_time : record.usage.run_time) = now - running.call.queued;
  if (with_log) record.log = running.log.text();
  return record;
}

}  // namespace canopy::api
