#include "wasm/execution.h"

#include <array>
#include <limits>

#include "base/check.h"
#include "wasm/trap.h"

namespace canopy::wasm {
namespace {

// A call sinks a level each time its use of the core passes one of these.
constexpr std::array<Duration, exec::Core::level_count - 1> level_ends = {
    std::chrono::milliseconds(2), std::chrono::milliseconds(20), std::chrono::milliseconds(200)};

constexpr Duration short_time = std::chrono::milliseconds(1);
constexpr std::uint32_t alone_after_pause = 256;

std::size_t level(Duration used) {
  std::size_t index = 0;
  while (index < level_ends.size() && used > level_ends.at(index)) ++index;
  return index;
}

constexpr std::uint64_t page_bytes = 64 * KiB;

}  // namespace

Execution::Execution(std::shared_ptr<WasmTemplate> from, exec::Core& core)
    : GuestCall(core.clock(), false),
      template_(std::move(from)),
      core_(core),
      engine_(template_->engine(core)) {}

Execution::~Execution() {
  if (!ended_) end();
}

net::Task<Reply> Execution::run(Call& call) {
  CANOPY_CHECK(call_ == nullptr);
  call_ = &call;
  module_ = template_->loaded(core_);
  if (!module_) {
    reply_.usage.cold = true;
    const Time since = clock_.now();
    auto module = co_await template_->load(core_, call.function->files);
    const Time loaded = clock_.now();
    reply_.usage.wait_time = loaded - call.queued;
    reply_.usage.start_time = loaded - since;
    if (module) {
      module_ = *std::move(module);
    } else {
      end_with(std::move(module).error());
    }
  }
  if (!ended_) begin();
  if (!ended_) co_await done_.wait();
  co_return std::move(reply_);
}

void Execution::begin() {
  began_ = clock_.now();
  reply_.usage.wait_time = began_ - call_->queued;
  if (began_ >= call_->deadline) {
    return end_with({Code::deadline, "the deadline passed before the function started", Stage::queue});
  }
  if (!engine_.enter()) {
    return end_with({Code::unavailable,
                     "every instance slot of this core is in use; try again, or raise 'instances'",
                     Stage::start});
  }
  state_ = template_->host().make_state(*call_->function, *call_);
  store_ = engine_.take_store(module_);
  wasmtime_store_t* const store = store_->store.get();
  context_ = wasmtime_store_context(store);
  wasmtime_context_set_data(context_, static_cast<GuestCall*>(this));
  const Limits& limits = call_->function->limits;
  const auto calls = static_cast<std::int64_t>(store_->remains.size()) + 1;  // It counts from its beginning.
  wasmtime_store_limiter(store, static_cast<std::int64_t>(limits.memory_bytes),
                         static_cast<std::int64_t>(limits.table_elements), calls * module_->instance_count(),
                         -1, calls);
  // A tick may come at once; the next but one leaves a short call in one piece.
  wasmtime_context_set_epoch_deadline(context_, 2);
  start_entry();
  slice(began_);
}

void Execution::start_entry() {
  if (entry_index_ == 0) {
    future_.reset(canopy_call_start(module_->entries.front().get(), context_, &instance_, &result_, &trap_,
                                    &engine_error_));
    return;
  }
  const std::string& name = module_->entry_names.at(entry_index_);
  wasmtime_extern_t found;
  CANOPY_CHECK(wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &found));
  CANOPY_CHECK(found.kind == WASMTIME_EXTERN_FUNC);
  entry_function_ = found.of.func;
  const wasm_functype_t* const type = wasmtime_func_type(context_, &entry_function_);
  const std::size_t result_count = wasm_functype_results(type)->size;
  wasm_functype_delete(const_cast<wasm_functype_t*>(type));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  entry_value_ = {.kind = WASMTIME_I32, .of = {.i32 = 0}};
  future_.reset(wasmtime_func_call_async(context_, &entry_function_, nullptr, 0, &entry_value_, result_count,
                                         &trap_, &engine_error_));
}

void Execution::take() {
  waiting_ = false;
  slice(clock_.now());
}

// `since`: when it was let onto the core.
void Execution::slice(Time since) {
  const bool ended = wasmtime_call_future_poll(future_.get());
  seen_ = clock_.now();
  reply_.usage.cpu_time += seen_ - since;
  if (ended) {
    entry_ended();
  } else {
    wait_for_turn(seen_);
  }
}

void Execution::wait_for_turn(Time now) {
  // A tick may fall into the shortest call; that is no pause.
  if (waiting_ || reply_.usage.cpu_time > short_time) module_->alone_count = alone_after_pause;
  if (now >= call_->deadline) return expire();
  if (waiting_) {
    core_.suspend(*this, wake_time_, call_->deadline);
  } else {
    core_.enqueue(*this, level(reply_.usage.cpu_time), call_->deadline);
  }
}

void Execution::entry_ended() {
  future_.reset();
  if (entry_index_ > 0) result_ = entry_value_.of.i32;
  const bool clean = trap_ == nullptr && engine_error_ == nullptr;
  if (clean && result_ == 0 && ++entry_index_ < module_->entry_names.size()) {
    start_entry();
    return slice(seen_);
  }
  read_memory_size();
  const TrapHandle trap(std::exchange(trap_, nullptr));
  const ErrorHandle error(std::exchange(engine_error_, nullptr));
  if (error_) return end_with(*std::move(error_));
  if (exit_code_) {
    reply_.exit_code = *exit_code_;
  } else if (trap) {
    return end_with(trap_error(*trap, reply_.usage.memory_bytes, call_->function->limits.memory_bytes));
  } else if (error) {
    return end_with(engine_error(*error));
  } else {
    reply_.exit_code = result_;
  }
  if (reply_.exit_code != 0) {
    return end_with({Code::function_failed,
                     "the function ended with code " + std::to_string(reply_.exit_code), Stage::run});
  }
  end_by_itself(clean);
}

void Execution::expire() {
  std::string what = waiting_ ? "while it waited" : "while it ran";
  end_with({Code::deadline,
            "the deadline passed after " +
                duration_text(
                    std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - call_->queued)) +
                ", " + what + "; raise 'timeout' if it needs longer",
            Stage::run});
}

void Execution::cancel() {
  if (call_ != nullptr && !ended_) end_with({Code::canceled, "the call was cancelled", Stage::run});
}

std::function<void()> Execution::waker() {
  if (!alive_) alive_ = std::make_shared<Alive>(this);
  return [alive = alive_, &core = core_] {
    core.post([alive, &core] {
      if (alive->execution != nullptr) core.wake(*alive->execution);
    });
  };
}

void Execution::end_with(Error error) {
  reply_.error = std::move(error);
  end();
}

// Its answer need not wait until its memory is what it was before: whoever drops the store sees to that.
void Execution::end_by_itself(bool good) {
  ended_ = true;
  if (alive_) alive_->execution = nullptr;
  core_.leave(*this);
  reply_.usage.run_time = seen_ - began_;
  engine_.put_store(std::move(store_), remains(), good);
  state_.reset();
  module_.reset();
  done_.set();
}

// Ended from outside, or by an error: nothing of the call can be reached any more when anybody hears of its
// end.
void Execution::end() {
  ended_ = true;
  if (alive_) alive_->execution = nullptr;
  core_.leave(*this);
  if (store_) {
    if (future_) read_memory_size();
    future_.reset();  // Unwinds the fiber where it still stands.
    const TrapHandle trap(std::exchange(trap_, nullptr));
    const ErrorHandle error(std::exchange(engine_error_, nullptr));
    engine_.drop_store(std::move(store_), remains());
    reply_.usage.run_time = clock_.now() - began_;
  }
  state_.reset();
  module_.reset();
  done_.set();
}

Remains Execution::remains() {
  if (stack_seen() != nullptr) engine_.saw_stack(stack_seen());
  return {.memory = memory_left_.data(), .memory_bytes = memory_left_.size(), .stack = stack_seen()};
}

void Execution::read_memory_size() {
  find_memory();
  const auto bytes = memory();
  if (bytes.data() == nullptr) return;
  reply_.usage.memory_bytes = bytes.size() / page_bytes * page_bytes;
  engine_.saw_memory(bytes.data());
  memory_left_ = bytes;
}

}  // namespace canopy::wasm
