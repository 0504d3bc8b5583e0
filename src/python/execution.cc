#include "python/execution.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include <sys/wait.h>

#include "base/log.h"
#include "base/units.h"
#include "net/event.h"

namespace canopy::python {
namespace {

constexpr Duration end_timeout = std::chrono::seconds(5);  // From the kill to the word that it is gone.
constexpr Duration import_time_max = std::chrono::seconds(60);
constexpr std::size_t message_bytes_max = 15 * KiB;

// What a function says of itself, with nothing in it that a terminal obeys.
std::string printable(std::string text) {
  text.resize(std::min(text.size(), message_bytes_max));
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) c = '?';
  }
  return text;
}

std::string signal_text(int number) {
  const char* const name = sigabbrev_np(number);
  return std::to_string(number) + (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
}

class Execution final : public exec::Instance, public exec::Turn, public Process::User, public Places::Taker {
 public:
  Execution(std::shared_ptr<PoolSource> source, exec::Core& core) : source_(std::move(source)), core_(core) {}

  ~Execution() override {
    finish();
    core_.leave(*this);
  }

  net::Task<Reply> run(Call& call) override {
    call_ = &call;
    core_.suspend(*this, never, std::max(call.deadline, call.deadline_latest));
    co_await get_place();
    const Time since = put_off_deadline(import_time_max);
    if (!stopped_) co_await get_pool(since);
    put_off_deadline(Duration::zero());
    if (!stopped_) begin();
    while (process_ != nullptr && !is_over()) co_await event_.wait();
    core_.leave(*this);
    measure();
    finish();
    co_return make_reply();
  }

  void cancel() override { stop({Code::canceled, "the call was cancelled", Stage::run}); }
  void take() override {}
  void expire() override {
    if (stopped_ || answer_) {
      // It was told to end, and has not: then the warmed process ends, and everything with it.
      if (pool_ != nullptr)
        pool_->end({Code::died, "the function's warmed process did not answer", Stage::run});
      return;
    }
    stop({Code::deadline, late_text(), process_ == nullptr ? Stage::start : Stage::run});
  }

  void on_place() override {
    has_place_ = true;
    event_.set();
  }

  void on_answer(Result<wire::PythonAnswer> answer) override {
    answer_ = std::move(answer);
    const bool is_reply = *answer_ && (*answer_)->kind == wire::PythonAnswer::Kind::reply;
    kept_ = is_reply && !stopped_ && pool_->would_keep(*process_);
    if (!kept_) end_process();
    event_.set();
  }

  void on_log(std::string_view piece) override {
    if (call_->log != nullptr) call_->log->write(CallLog::Stream::out, piece);
  }

  void on_gone() override { event_.set(); }

 private:
  std::string late_text() const {
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(core_.clock().now() - call_->queued);
    const std::string passed = "the deadline passed after " + duration_text(waited);
    if (process_ != nullptr) return passed + ", while it ran; raise 'timeout' if it needs longer";
    if (!has_place_) return passed + ", while other calls had all the places for Python";
    return passed + ", while the function was being imported";
  }

  bool is_over() const { return kept_ || process_->ended() || process_->lost(); }

  // The time in line is not a durable call's, and neither is that in which its function is imported. What
  // comes next it may wait for so long. Returns the time it is.
  Time put_off_deadline(Duration patience) {
    const Time now = core_.clock().now();
    Time until = call_->deadline;
    if (call_->deadline < call_->deadline_latest) {
      call_->put_off_deadline(now);
      until = std::min(call_->deadline_latest, std::max(call_->deadline, now + patience));
    }
    if (!stopped_) core_.suspend(*this, never, until);
    return now;
  }

  net::Task<void> get_place() {
    const Places::Taken taken = source_->places(core_).take(*this);
    if (taken == Places::Taken::refused) {
      reply_.unbegun = true;
      stop({Code::unavailable, "too many calls of Python functions wait already; try again shortly",
            Stage::queue});
    }
    has_place_ = taken == Places::Taken::now;
    while (!has_place_ && !stopped_) co_await event_.wait();
  }

  // It has had its place since then.
  net::Task<void> get_pool(Time since) {
    bool started = false;
    auto found = source_->find(*call_->function, core_, started);
    reply_.usage.cold = started;
    if (!found) {
      reply_.unbegun = true;
      stop(found.error());
      co_return;
    }
    pool_ = *std::move(found);
    Zygote& zygote = pool_->zygote();
    if (!zygote.is_ready() && !zygote.error()) {
      // It may tell so after we are gone.
      const std::weak_ptr<bool> alive = alive_;
      zygote.when_ready([this, alive] {
        if (!alive.expired()) event_.set();
      });
    }
    const bool waits = !zygote.is_ready();
    while (!zygote.is_ready() && !zygote.error() && !stopped_) co_await event_.wait();
    if (started || waits) {
      const Time now = core_.clock().now();
      reply_.usage.wait_time = now - call_->queued;
      reply_.usage.add_start(now - since);
    }
    if (!stopped_ && zygote.error()) {
      reply_.unbegun = zygote.error()->code == Code::unavailable;
      stop(*zygote.error());
    }
  }

  void begin() {
    auto process = pool_->acquire();
    if (!process) return stop(process.error());
    process_ = *std::move(process);
    begun_at_ = core_.clock().now();
    reply_.usage.wait_time = begun_at_ - call_->queued;
    process_->call(*this, wire::write_python_call(*call_, call_->deadline - begun_at_), call_->input,
                   call_->function->limits.output_bytes);
  }

  void end_process() {
    process_->kill();
    core_.suspend(*this, never, core_.clock().now() + end_timeout);
  }

  void stop(Error error) {
    if (stopped_ || answer_) return;
    stopped_ = std::move(error);
    if (process_ != nullptr) end_process();
    event_.set();
  }

  void measure() {
    if (process_ == nullptr) return;
    reply_.usage.run_time = core_.clock().now() - begun_at_;
    ended_ = process_->ended();
    lost_ = process_->lost();
    exhausted_ = ended_ && process_->is_exhausted();
    Spent spent;
    if (ended_) {
      spent = {.cpu_time = ended_->cpu_time, .memory_bytes = ended_->memory_bytes};
    } else if (!lost_) {
      spent = process_->spent();
    }
    const Duration most = reply_.usage.run_time * static_cast<int>(std::thread::hardware_concurrency());
    reply_.usage.cpu_time = std::min(spent.cpu_time, most);
    reply_.usage.memory_bytes = spent.memory_bytes;
  }

  // Gives back what it has. A second time does nothing.
  void finish() {
    if (alive_ == nullptr) return;
    alive_.reset();
    if (process_ != nullptr) {
      process_->leave();
      pool_->release(std::move(process_), kept_);
      if (kept_) source_->settle(core_);
    }
    if (call_ == nullptr) return;
    if (has_place_) {
      source_->places(core_).give();
    } else {
      source_->places(core_).leave_line(*this);
    }
  }

  Reply make_reply() {
    if (answer_ && *answer_) {
      take_answer(**std::move(answer_));
    } else if (stopped_) {
      reply_.error = std::move(stopped_);
    } else if (answer_) {
      reply_.error = broken_error(answer_->error());
    } else if (lost_) {
      reply_.lost = true;
      reply_.error = Error{Code::died, lost_->message, Stage::run};
    } else {
      reply_.error = end_error();
    }
    return std::move(reply_);
  }

  Error broken_error(const Error& why) const {
    if (why.code != Code::too_large) return {Code::died, why.message, Stage::run};
    return {Code::limit,
            "its output or its headers are larger than allowed (output: " +
                size_text(call_->function->limits.output_bytes) + ")",
            Stage::reply};
  }

  // Of one that ended without an answer.
  Error end_error() {
    const int status = ended_->status;
    if (status < 0) {
      reply_.unbegun = true;
      return {Code::unavailable, "no process could be forked for the call", Stage::start};
    }
    if (WIFSIGNALED(status) && exhausted_) {
      return {Code::limit,
              "its processes and its /tmp together needed more than the memory they may have, " +
                  size_text(call_->function->limits.memory_bytes),
              Stage::run};
    }
    if (WIFSIGNALED(status)) {
      return {Code::died, "its process was ended by signal " + signal_text(WTERMSIG(status)), Stage::run};
    }
    reply_.exit_code = WEXITSTATUS(status);
    if (reply_.exit_code == 0) return {Code::died, "its process ended before it had answered", Stage::run};
    return {Code::function_failed,
            "its process ended with status " + std::to_string(reply_.exit_code) + " before it had answered",
            Stage::run};
  }

  void take_answer(wire::PythonAnswer answer) {
    using Kind = wire::PythonAnswer::Kind;
    if (answer.kind == Kind::reply) {
      reply_.status = answer.status;
      reply_.headers = std::move(answer.headers);
      reply_.output = std::move(answer.output);
      return;
    }
    if (answer.kind == Kind::platform) {
      log::error("a call of a Python function could not be isolated: {}", log_safe(answer.message));
      reply_.unbegun = true;
      reply_.error = Error{Code::unavailable, "the call could not be isolated: " + log_safe(answer.message),
                           Stage::start};
      return;
    }
    std::string text = answer.type + (answer.message.empty() ? "" : ": " + answer.message);
    if (!answer.traceback.empty()) text += "\n" + answer.traceback;
    text = printable(std::move(text));
    if (answer.kind == Kind::raised) {
      reply_.raised = std::move(answer.output);
      reply_.error = Error{Code::function_failed, std::move(text), Stage::run};
    } else {
      reply_.error =
          Error{Code::limit, limit_text(answer.limit) + (text.empty() ? "" : ": " + text), Stage::run};
    }
  }

  std::string limit_text(std::string_view limit) const {
    const Limits& limits = call_->function->limits;
    if (limit == "memory")
      return "it needed more than the memory it may have, " + size_text(limits.memory_bytes);
    if (limit == "open_files") return "it had more than " + std::to_string(limits.open_files) + " files open";
    if (limit == "tmp") return "it wrote more than fits into its /tmp, " + size_text(limits.tmp_bytes);
    if (limit == "output") return "its output is larger than allowed, " + size_text(limits.output_bytes);
    return "it started more threads and processes than it may have";
  }

  const std::shared_ptr<PoolSource> source_;
  exec::Core& core_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Call* call_ = nullptr;
  std::shared_ptr<ProcessPool> pool_;
  std::shared_ptr<Process> process_;
  Time begun_at_{};
  bool has_place_ = false;
  bool kept_ = false;
  bool exhausted_ = false;
  std::optional<Result<wire::PythonAnswer>> answer_;
  std::optional<Error> stopped_;
  std::optional<Error> lost_;
  std::optional<wire::PythonPacket> ended_;
  Reply reply_;
  net::Event event_;
};

}  // namespace

Places::Taken Places::take(Taker& taker) {
  if (free_ > 0) {
    --free_;
    return Taken::now;
  }
  if (line_.size() >= waiting_max_) return Taken::refused;
  line_.push_back(&taker);
  return Taken::later;
}

void Places::leave_line(Taker& taker) { std::erase(line_, &taker); }

void Places::give() {
  if (line_.empty()) {
    ++free_;
    return;
  }
  Taker* const next = line_.front();
  line_.pop_front();
  next->on_place();
}

std::unique_ptr<exec::Instance> make_execution(std::shared_ptr<PoolSource> source, exec::Core& core) {
  return std::make_unique<Execution>(std::move(source), core);
}

}  // namespace canopy::python
