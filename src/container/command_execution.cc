#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "container/execution.h"
#include "container/stream.h"
#include "container/waiting.h"
#include "net/descriptor_stream.h"

namespace canopy::container {
namespace {

using Stream = net::DescriptorStream;

class CommandExecution final : public Waiting {
 public:
  CommandExecution(std::shared_ptr<Pool> pool, exec::Core& core)
      : Waiting(std::move(pool), core), input_(core.io()), output_(core.io()), errors_(core.io()) {}

  ~CommandExecution() override { close(); }

  net::Task<Reply> run(Call& call) override {
    call_ = &call;
    core_.suspend(*this, never, call.deadline);
    co_await get_place();
    if (!stopped_) start();
    while (!stopped_ && !is_over()) co_await event_.wait();
    core_.leave(*this);
    measure();
    close();
    give_place({}, After::broken);
    co_return make_reply();
  }

 private:
  bool is_over() const { return is_quiet_ && ended_; }

  void start() {
    begin();
    const std::weak_ptr<bool> alive = alive_;
    ended_ = pool_->ask_end(*member_, core_, [this, alive] {
      if (alive.expired()) return;
      ended_ = pool_->ask_end(*member_, core_, nullptr);
      event_.set();
    });
    const auto outputs = member_->started->outputs();
    if (!open_input() || !open_stream(output_, outputs.front()) ||
        (outputs.size() > 1 && !open_stream(errors_, outputs[1]))) {
      return stop({Code::unavailable,
                   "no descriptor is left for what the command reads and prints; raise the server's limit of "
                   "open files",
                   Stage::start});
    }
    write();
    read();
    wait_for(output_);
    wait_for(errors_);
  }

  // What it does not read is not its fault.
  void write() {
    while (input_.is_open()) {
      const std::string_view rest = call_->input.substr(written_);
      if (rest.empty()) break;
      const ssize_t sent = ::write(input_.native_handle(), rest.data(), rest.size());  // SIGPIPE is ignored.
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) return wait_to_write();
      if (sent <= 0) break;
      written_ += static_cast<std::size_t>(sent);
    }
    if (!input_.is_open()) return;
    close_stream(input_);
    member_->started->end_input();
  }

  void wait_to_write() {
    const std::weak_ptr<bool> alive = alive_;
    input_.async_wait(Stream::wait_write, [this, alive](const boost::system::error_code& error) {
      if (!error && !alive.expired()) write();
    });
  }

  bool open_input() {
    const Descriptor input = member_->started->take_input();
    if (!input) return false;
    fcntl(input.get(), F_SETFL, O_NONBLOCK);
    return open_stream(input_, input.get());
  }

  // Both of its outputs, as far as something is there.
  void read() {
    const Progress progress = member_->started->read_output(
        [this](bool is_error, std::string_view bytes) { keep(is_error, bytes); });
    if (progress != Progress::end) return;
    is_quiet_ = true;
    close_outputs();
    event_.set();
  }

  void keep(bool is_error, std::string_view bytes) {
    if (is_error) {
      if (call_->log != nullptr) call_->log->write(CallLog::Stream::err, bytes);
      return;
    }
    const std::uint64_t most = call_->function->limits.output_bytes;
    if (bytes.size() > most - reply_.output.size()) {
      stop({Code::limit, "its output is larger than allowed, " + size_text(most), Stage::reply});
      return;
    }
    reply_.output += bytes;
  }

  void wait_for(Stream& stream) {
    if (!stream.is_open()) return;
    const std::weak_ptr<bool> alive = alive_;
    stream.async_wait(Stream::wait_read, [this, alive, &stream](const boost::system::error_code& error) {
      if (error || alive.expired() || stopped_) return;
      read();
      if (stream.is_open() && is_spent(stream)) close_stream(stream);
      wait_for(stream);
    });
  }

  void close_outputs() {
    close_stream(output_);
    close_stream(errors_);
  }

  void close() {
    alive_.reset();
    close_stream(input_);
    close_outputs();
  }

  Reply make_reply() {
    if (stopped_) {
      reply_.error = std::move(stopped_);
      reply_.output.clear();
      return std::move(reply_);
    }
    const int status = ended_->status;
    if (ended_->out_of_memory) {
      reply_.error = Error{Code::limit, end_text(*ended_, pool_->plan().memory_bytes), Stage::run};
    } else if (WIFSIGNALED(status)) {
      reply_.error = Error{Code::died, end_text(*ended_, pool_->plan().memory_bytes), Stage::run};
    } else if (WEXITSTATUS(status) != 0) {
      reply_.exit_code = WEXITSTATUS(status);
      reply_.error = Error{Code::function_failed,
                           "the command ended with status " + std::to_string(reply_.exit_code), Stage::run};
    }
    return std::move(reply_);
  }

  Stream input_;
  Stream output_;
  Stream errors_;
  std::size_t written_ = 0;
  bool is_quiet_ = false;
  std::optional<End> ended_;
};

}  // namespace

std::unique_ptr<exec::Instance> make_command_execution(std::shared_ptr<Pool> pool, exec::Core& core) {
  return std::make_unique<CommandExecution>(std::move(pool), core);
}

}  // namespace canopy::container
