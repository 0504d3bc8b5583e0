#include "python/execution.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "net/event.h"

namespace canopy::python {
namespace {

constexpr std::size_t piece_bytes = 64 * KiB;
constexpr std::size_t pieces_per_round = 4;
constexpr Duration end_timeout = std::chrono::seconds(5);  // From the kill to the word that it is gone.
constexpr std::size_t message_bytes_max = 15 * KiB;

// The connections to one process. They may be waited on for a little longer than their call lives.
struct Channels {
  explicit Channels(exec::Core& core) : call(core.io()), log(core.io()) {}
  void close() {
    boost::system::error_code ignored;
    call.close(ignored);
    log.close(ignored);
  }
  Stream call;
  Stream log;
};

struct Ends {
  Descriptor call;
  Descriptor log;
};

// Ours are in `channels`; returns theirs.
Result<Ends> open(Channels& channels) {
  std::array<int, 2> sockets{};
  std::array<int, 2> pipes{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return fail(Code::unavailable, "no descriptor is left for a call of a Python function", Stage::start);
  }
  Ends ends;
  ends.call = Descriptor(sockets[1]);
  boost::system::error_code error;
  channels.call.assign(sockets[0], error);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) {
    return fail(Code::unavailable, "no descriptor is left for a call of a Python function", Stage::start);
  }
  ends.log = Descriptor(pipes[1]);
  channels.log.assign(pipes[0], error);
  fcntl(sockets[0], F_SETFL, O_NONBLOCK);
  fcntl(pipes[0], F_SETFL, O_NONBLOCK);
  return ends;
}

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

class Execution final : public exec::Instance, public exec::Turn, public Guest, public Places::Taker {
 public:
  Execution(std::shared_ptr<ZygoteSource> source, exec::Core& core)
      : source_(std::move(source)), core_(core), channels_(std::make_shared<Channels>(core)) {}

  ~Execution() override {
    finish();
    core_.leave(*this);
  }

  net::Task<Reply> run(Call& call) override {
    call_ = &call;
    reader_.emplace(call.function->limits.output_bytes);
    core_.suspend(*this, never, call.deadline);
    co_await get_place();
    if (!stopped_) co_await get_zygote();
    if (!stopped_) begin();
    while (begun_at_ != Time{} && !gone_) co_await event_.wait();
    core_.leave(*this);
    finish();
    co_return make_reply();
  }

  void cancel() override { stop({Code::canceled, "the call was cancelled", Stage::run}); }
  void take() override {}
  void expire() override {
    if (stopped_ || answered_) {
      // It was told to end, and has not: then the warmed process ends, and everything with it.
      if (zygote_ != nullptr)
        zygote_->end({Code::died, "the function's warmed process did not answer", Stage::run});
      return;
    }
    stop({Code::deadline, late_text(), begun_at_ == Time{} ? Stage::start : Stage::run});
  }

  void on_place() override {
    has_place_ = true;
    event_.set();
  }

  void on_begun(Descriptor process) override {
    process_ = std::move(process);
    if (stopped_ || answered_) kill();
  }

  void on_ended(const wire::PythonPacket& packet) override {
    ended_ = packet;
    gone_ = true;
    // All that was written lies in the sockets.
    while (read_some() == Progress::more) continue;
    while (read_log() == Progress::more) continue;
    event_.set();
  }

  void on_lost(const Error& error) override {
    lost_ = error;
    gone_ = true;
    event_.set();
  }

 private:
  enum class Progress : std::uint8_t { more, wait, end };

  std::string late_text() const {
    if (begun_at_ != Time{}) return "the deadline passed while it ran";
    if (!has_place_) return "the deadline passed while other calls had all the places for Python";
    return "the deadline passed while the function was being imported";
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

  net::Task<void> get_zygote() {
    bool started = false;
    auto found = source_->find(*call_->function, core_, started);
    reply_.usage.cold = started;
    if (!found) {
      reply_.unbegun = true;
      stop(found.error());
      co_return;
    }
    zygote_ = *std::move(found);
    if (!zygote_->is_ready() && !zygote_->error()) {
      // It may tell so after we are gone.
      const std::weak_ptr<bool> alive = alive_;
      zygote_->when_ready([this, alive] {
        if (!alive.expired()) event_.set();
      });
    }
    while (!zygote_->is_ready() && !zygote_->error() && !stopped_) co_await event_.wait();
    if (!stopped_ && zygote_->error()) {
      reply_.unbegun = zygote_->error()->code == Code::unavailable;
      stop(*zygote_->error());
    }
  }

  void begin() {
    auto theirs = open(*channels_);
    if (!theirs) return stop(theirs.error());
    const Time now = core_.clock().now();
    head_ = wire::write_python_call(*call_, call_->deadline - now);
    begun_at_ = now;
    reply_.usage.queue_time = now - call_->queued;
    number_ = zygote_->begin(*this, theirs->call.get(), theirs->log.get());
    write();
    wait_for_answer();
    wait_for_log();
  }

  // The head, then the input, as fast as they are taken.
  void write() {
    while (channels_->call.is_open()) {
      const bool in_head = written_ < head_.size();
      const std::string_view rest =
          in_head ? std::string_view(head_).substr(written_) : call_->input.substr(written_ - head_.size());
      if (rest.empty()) return;
      const ssize_t sent =
          send(channels_->call.native_handle(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno != EAGAIN) return;  // Whoever does not want it may still answer.
      if (sent < 0) return wait(channels_->call, Stream::wait_write, [this] { write(); });
      written_ += static_cast<std::size_t>(sent);
    }
  }

  void wait_for_answer() {
    wait(channels_->call, Stream::wait_read, [this] {
      Progress progress = Progress::more;
      for (std::size_t i = 0; i < pieces_per_round && progress == Progress::more; ++i) progress = read_some();
      if (progress != Progress::end) wait_for_answer();
    });
  }

  void wait_for_log() {
    wait(channels_->log, Stream::wait_read, [this] {
      if (read_log() != Progress::end) wait_for_log();
    });
  }

  Progress read_some() {
    if (!channels_->call.is_open() || answered_ || broken_) return Progress::end;
    std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t got = recv(channels_->call.native_handle(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN ? Progress::wait : errno == EINTR ? Progress::more : Progress::end;
    if (got == 0) return Progress::end;
    const auto whole = reader_->add({piece.data(), static_cast<std::size_t>(got)});
    if (whole && !*whole) return Progress::more;
    if (whole) {
      answered_ = true;
    } else {
      broken_ = whole.error();
    }
    kill();
    core_.suspend(*this, never, core_.clock().now() + end_timeout);
    return Progress::end;
  }

  Progress read_log() {
    if (!channels_->log.is_open()) return Progress::end;
    std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t got = read(channels_->log.native_handle(), piece.data(), piece.size());
    if (got < 0) return errno == EAGAIN ? Progress::wait : errno == EINTR ? Progress::more : Progress::end;
    if (got == 0) return Progress::end;
    if (call_->log != nullptr)
      call_->log->write(CallLog::Stream::out, {piece.data(), static_cast<std::size_t>(got)});
    return Progress::more;
  }

  template <class Next>
  void wait(Stream& stream, Stream::wait_type what, Next next) {
    if (!stream.is_open()) return;
    const std::weak_ptr<bool> alive = alive_;
    stream.async_wait(what, [channels = channels_, alive, next](const boost::system::error_code& error) {
      if (!error && !alive.expired()) next();
    });
  }

  // The first process of its namespace: all others end with it.
  void kill() {
    if (process_) syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
  }

  void stop(Error error) {
    if (stopped_ || answered_) return;
    stopped_ = std::move(error);
    if (begun_at_ != Time{} && !gone_) {
      kill();
      core_.suspend(*this, never, core_.clock().now() + end_timeout);
    }
    event_.set();
  }

  // Gives back what it has. A second time does nothing.
  void finish() {
    if (alive_ == nullptr) return;
    alive_.reset();
    channels_->close();
    if (zygote_ != nullptr && number_ != 0) zygote_->forget(number_);
    if (call_ == nullptr) return;
    if (has_place_) {
      source_->places(core_).give();
    } else {
      source_->places(core_).leave_line(*this);
    }
  }

  Reply make_reply() {
    const Time now = core_.clock().now();
    if (begun_at_ != Time{}) reply_.usage.run_time = now - begun_at_;
    if (ended_) {
      const Duration most = reply_.usage.run_time * static_cast<int>(std::thread::hardware_concurrency());
      reply_.usage.cpu_time = std::min(ended_->cpu_time, most);
      reply_.usage.memory_bytes = ended_->memory_bytes;
    }
    if (answered_) {
      take_answer(reader_->take());
    } else if (stopped_) {
      reply_.error = std::move(stopped_);
    } else if (broken_) {
      reply_.error = broken_error();
    } else if (lost_) {
      reply_.lost = true;
      reply_.error = Error{Code::died, lost_->message, Stage::run};
    } else {
      reply_.error = end_error();
    }
    return std::move(reply_);
  }

  Error broken_error() const {
    if (broken_->code != Code::too_large) return {Code::died, broken_->message, Stage::run};
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

  const std::shared_ptr<ZygoteSource> source_;
  exec::Core& core_;
  const std::shared_ptr<Channels> channels_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Call* call_ = nullptr;
  std::shared_ptr<Zygote> zygote_;
  std::uint64_t number_ = 0;
  std::optional<wire::PythonAnswerReader> reader_;
  std::string head_;
  std::size_t written_ = 0;
  Descriptor process_;
  Time begun_at_{};
  bool has_place_ = false;
  bool answered_ = false;
  bool gone_ = false;
  std::optional<Error> stopped_;
  std::optional<Error> broken_;
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

std::unique_ptr<exec::Instance> make_execution(std::shared_ptr<ZygoteSource> source, exec::Core& core) {
  return std::make_unique<Execution>(std::move(source), core);
}

}  // namespace canopy::python
