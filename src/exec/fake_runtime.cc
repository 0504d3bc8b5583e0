#include "exec/fake_runtime.h"

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "net/event.h"

namespace canopy::exec {

class FakeInstance;

struct FakeRuntime::State {
  FindCode find_code;
  std::mutex mutex;
  std::condition_variable changed;
  bool hold_prepare = false;
  bool is_stopped = false;
  std::map<std::string, FakeFunction> functions;
  std::map<std::string, std::weak_ptr<Template>> made;  // By digest.
  std::map<FakeInstance*, Core*> waiting;
  std::atomic<std::size_t> prepare_count = 0;
  std::atomic<std::size_t> unload_count = 0;
  std::atomic<std::uint64_t> resident_bytes = 64 * KiB;
};

class FakeInstance final : public Instance, public Turn {
 public:
  FakeInstance(std::shared_ptr<FakeRuntime::State> state, FakeFunction function, Core& core, bool cold)
      : state_(std::move(state)), function_(std::move(function)), core_(core) {
    reply_.usage.cold = cold;
  }
  ~FakeInstance() override {
    core_.leave(*this);
    const std::lock_guard lock(state_->mutex);
    state_->waiting.erase(this);
  }

  net::Task<Reply> run(Call& call) override {
    const Time began = core_.clock().now();
    reply_.usage.wait_time = began - call.queued;
    reply_.usage.memory_bytes = 64 * KiB;
    if (function_.begin) function_.begin(call);
    if (function_.waits) {
      core_.suspend(*this, never, call.deadline);
      {
        const std::lock_guard lock(state_->mutex);
        state_->waiting.emplace(this, &core_);
      }
      co_await ended_.wait();
    }
    if (!reply_.error && function_.end) function_.end(call, reply_);
    reply_.usage.run_time = core_.clock().now() - began;
    co_return std::move(reply_);
  }

  void cancel() override { stop({Code::canceled, "the call was cancelled", Stage::run}); }
  void take() override { ended_.set(); }
  void expire() override { stop({Code::deadline, "the deadline passed while it ran", Stage::run}); }

 private:
  void stop(Error error) {
    if (reply_.error) return;
    reply_.error = std::move(error);
    core_.leave(*this);
    ended_.set();
  }

  const std::shared_ptr<FakeRuntime::State> state_;
  const FakeFunction function_;
  Core& core_;
  Reply reply_;
  net::Event ended_;
};

namespace {

class FakeTemplate final : public Template {
 public:
  FakeTemplate(std::shared_ptr<FakeRuntime::State> state, std::string name)
      : state_(std::move(state)), name_(std::move(name)) {}

  std::unique_ptr<Instance> start(Core& core) override {
    bool cold = false;
    FakeFunction function;
    {
      const std::lock_guard lock(state_->mutex);
      cold = loaded_.insert(core.index()).second;
      function = state_->functions.at(name_);
    }
    return std::make_unique<FakeInstance>(state_, std::move(function), core, cold);
  }

  std::uint64_t resident_bytes() const override {
    const std::lock_guard lock(state_->mutex);
    return loaded_.size() * state_->resident_bytes;
  }

  std::uint64_t resident_bytes(const Core& core) const override {
    const std::lock_guard lock(state_->mutex);
    return loaded_.count(core.index()) * state_->resident_bytes;
  }

  void unload(Core& core) override {
    const std::lock_guard lock(state_->mutex);
    if (loaded_.erase(core.index()) > 0) ++state_->unload_count;
  }

 private:
  const std::shared_ptr<FakeRuntime::State> state_;
  const std::string name_;
  std::set<std::size_t> loaded_;  // Guarded by the state's mutex.
};

}  // namespace

FakeRuntime::FakeRuntime(FindCode find_code) : state_(std::make_shared<State>()) {
  state_->find_code = std::move(find_code);
}

FakeRuntime::~FakeRuntime() = default;

void FakeRuntime::add(std::string name, FakeFunction function) {
  const std::lock_guard lock(state_->mutex);
  state_->functions.insert_or_assign(std::move(name), std::move(function));
}

void FakeRuntime::release() {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [instance, core] : state_->waiting) {
    const auto wake = [state = state_, instance, core] {
      {
        const std::lock_guard again(state->mutex);
        if (state->waiting.erase(instance) == 0) return;  // It ended meanwhile.
      }
      core->wake(*instance);
    };
    core->post(wake);
  }
}

void FakeRuntime::hold_prepare(bool hold) {
  const std::lock_guard lock(state_->mutex);
  state_->hold_prepare = hold;
  state_->changed.notify_all();
}

void FakeRuntime::stop() {
  const std::lock_guard lock(state_->mutex);
  state_->is_stopped = true;
  state_->changed.notify_all();
}

void FakeRuntime::forget() {
  const std::lock_guard lock(state_->mutex);
  state_->made.clear();
}

void FakeRuntime::set_resident_bytes(std::uint64_t bytes) { state_->resident_bytes = bytes; }

std::size_t FakeRuntime::waiting_count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waiting.size();
}

std::size_t FakeRuntime::prepare_count() const { return state_->prepare_count; }
std::size_t FakeRuntime::unload_count() const { return state_->unload_count; }

std::shared_ptr<Template> FakeRuntime::find(const Function& function) {
  const std::lock_guard lock(state_->mutex);
  return state_->made[function.digest].lock();
}

Result<void> FakeRuntime::check(const Function& /*function*/, std::string_view code) {
  if (code.empty()) return fail(Code::refused, "the code is empty");
  return {};
}

Result<std::shared_ptr<Template>> FakeRuntime::prepare(const Function& function) {
  ++state_->prepare_count;
  const auto path = state_->find_code(function.digest);
  if (!path) return tl::unexpected(path.error());
  std::ifstream file(*path, std::ios::binary);
  std::string code(std::istreambuf_iterator<char>(file), {});
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return !state_->hold_prepare || state_->is_stopped; });
  if (state_->is_stopped) return fail(Code::unavailable, "the server stops", Stage::start);
  if (!state_->functions.contains(code)) {
    return fail(Code::refused, "the code is not a module: no function is called '" + code + "'");
  }
  auto& made = state_->made[function.digest];
  if (auto kept = made.lock()) return kept;
  std::shared_ptr<Template> fresh = std::make_shared<FakeTemplate>(state_, std::move(code));
  made = fresh;
  return fresh;
}

}  // namespace canopy::exec
