// What a worker has loaded: where templates come from, which of them go, and what those that send calls are
// told of it.

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

#include "policy/place.h"
#include "worker/worker_impl.h"

namespace canopy::worker {
namespace {

// So long a function that could not be made ready is not tried again.
constexpr Duration failure_kept = std::chrono::seconds(3);

}  // namespace

// Reads what was compiled, off the core; many may ask at once.
net::Task<Result<std::shared_ptr<exec::Template>>> Worker::make_ready(std::shared_ptr<Served> served) {
  while (served->looking) {
    net::Event found;
    served->waiting.push_back(&found);
    co_await found.wait();
  }
  if (served->ready) co_return served->ready;
  if (options_.relay != nullptr) {
    served->ready = options_.relay->find(served->function);
    co_return served->ready;
  }
  const auto runtime = runtimes_.find(served->function.runtime);
  if (runtime == runtimes_.end()) {
    co_return fail(Code::unavailable, "this worker has no runtime '" + served->function.runtime + "'",
                   Stage::start);
  }
  if (served->failure && core_.clock().now() < served->failed + failure_kept) {
    co_return tl::unexpected(*served->failure);
  }
  served->looking = true;
  auto found = co_await find(served, *runtime->second);
  served->looking = false;
  for (net::Event* const waiter : std::exchange(served->waiting, {})) waiter->set();
  if (found) {
    served->ready = *found;
  } else {
    served->failure = found.error();
    served->failed = core_.clock().now();
  }
  co_return found;
}

net::Task<Result<std::shared_ptr<exec::Template>>> Worker::find(std::shared_ptr<Served> served,
                                                                exec::Runtime& runtime) {
  if (options_.provider != nullptr) {
    co_return co_await options_.provider->provide(runtime, served->function);
  }
  const std::function<Result<std::shared_ptr<exec::Template>>()> look =
      [&runtime, served]() -> Result<std::shared_ptr<exec::Template>> {
    if (auto found = runtime.find(served->function)) return found;
    return fail(Code::unavailable,
                "what was compiled of this function is not on the disk any more; deploy it again",
                Stage::start);
  };
  co_return co_await net::run_blocking(disk_, look);
}

std::uint64_t Worker::templates_bytes() const {
  std::map<const exec::Template*, std::uint64_t> bytes;  // Several functions may share one.
  for (const auto& line : lines_) {
    for (const auto& [number, served] : line->functions) {
      if (served->ready) bytes[served->ready.get()] = served->ready->resident_bytes(core_);
    }
  }
  std::uint64_t sum = 0;
  for (const auto& [one, size] : bytes) sum += size;
  return sum;
}

void Worker::unload_beyond_room() {
  std::map<exec::Template*, policy::Resident> loaded;
  for (const auto& line : lines_) {
    for (const auto& [number, served] : line->functions) {
      if (!served->ready) continue;
      policy::Resident& resident = loaded[served->ready.get()];
      resident.bytes = served->ready->resident_bytes(core_);
      resident.used = std::max(resident.used, served->used);
      resident.busy = resident.busy || served->call_count > 0;
    }
  }
  std::erase_if(loaded, [](const auto& entry) { return entry.second.bytes == 0; });
  std::vector<exec::Template*> templates;
  std::vector<policy::Resident> residents;
  for (const auto& [one, resident] : loaded) {
    templates.push_back(one);
    residents.push_back(resident);
  }
  for (const std::size_t index : policy::choose_unloads(residents, options_.room)) {
    templates[index]->unload(core_);
    for (const auto& line : lines_) {
      for (const auto& [number, served] : line->functions) {
        if (served->ready.get() == templates[index]) served->loaded = false;
      }
    }
    note_warm();
  }
}

void Worker::note_warm() {
  if (options_.asks) warm_report_->plan();
}

std::vector<std::uint64_t> Worker::warm_now() const {
  std::vector<std::uint64_t> keys;
  if (options_.warm_keys) {
    keys = options_.warm_keys();
  } else {
    for (const auto& line : lines_) {
      for (const auto& [number, served] : line->functions) {
        if (served->loaded) keys.push_back(policy::hash_of(served->function.digest));
      }
    }
  }
  std::ranges::sort(keys);
  const auto doubles = std::ranges::unique(keys);
  keys.erase(doubles.begin(), doubles.end());
  if (keys.size() > wire::warm_count_max) keys.resize(wire::warm_count_max);
  return keys;
}

void Worker::tell_warm() {
  const std::vector<std::uint64_t> now = warm_now();
  wire::WarmChange change;
  std::ranges::set_difference(now, warm_, std::back_inserter(change.added));
  std::ranges::set_difference(warm_, now, std::back_inserter(change.removed));
  warm_ = now;
  if (change.added.empty() && change.removed.empty()) return;
  wire::write_warm(change, body_);
  for (const auto& line : lines_) line->link->send({.kind = wire::FrameKind::warm}, body_);
}

}  // namespace canopy::worker
