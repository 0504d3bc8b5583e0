#include "python/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pidfd.h"
#include "base/units.h"

namespace canopy::python {
namespace {

constexpr std::size_t piece_bytes = 64 * KiB;
constexpr std::size_t pieces_per_round = 4;
constexpr int log_pieces_max = 32;  // Of what lies in a pipe: kernels let it grow to a MiB.

Error no_descriptor() {
  return {Code::unavailable, "no descriptor is left for a call of a Python function", Stage::start};
}

// Of all its threads, since it began.
Duration cpu_time_of(pid_t process) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::uint64_t memory_of(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/statm";
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const ssize_t got = file ? read(file.get(), text.data(), text.size()) : 0;
  const std::string_view all(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  const std::size_t space = std::min(all.find(' '), all.size());
  std::uint64_t pages = 0;
  if (space < all.size()) std::from_chars(all.data() + space + 1, all.data() + all.size(), pages);
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

// They may be waited on for a little longer than the process is of interest.
struct Process::Channels {
  explicit Channels(exec::Core& core) : call(core.io()), log(core.io()) {}
  void close() {
    boost::system::error_code ignored;
    call.close(ignored);
    log.close(ignored);
  }
  Stream call;
  Stream log;
};

Result<std::shared_ptr<Process>> Process::fork(exec::Core& core, std::shared_ptr<Zygote> zygote) {
  auto process = std::make_shared<Process>(core, std::move(zygote));
  CANOPY_TRY_VOID(process->start());
  return process;
}

Process::Process(exec::Core& core, std::shared_ptr<Zygote> zygote)
    : core_(core), zygote_(std::move(zygote)), channels_(std::make_shared<Channels>(core)) {}

Process::~Process() {
  if (!is_gone()) kill();
  channels_->close();
  if (number_ != 0) zygote_->forget(number_);
}

Result<void> Process::start() {
  std::array<int, 2> sockets{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return tl::unexpected(no_descriptor());
  }
  boost::system::error_code error;
  channels_->call.assign(sockets[0], error);
  const Descriptor their_call(sockets[1]);
  std::array<int, 2> pipes{};
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return tl::unexpected(no_descriptor());
  channels_->log.assign(pipes[0], error);
  const Descriptor their_log(pipes[1]);
  fcntl(sockets[0], F_SETFL, O_NONBLOCK);
  fcntl(pipes[0], F_SETFL, O_NONBLOCK);
  number_ = zygote_->begin(*this, their_call.get(), their_log.get());
  wait_for_answer();
  wait_for_log();
  return {};
}

void Process::call(User& user, std::string head, std::string_view input, std::uint64_t output_bytes_max) {
  read_rest_of_log();  // Of nobody.
  user_ = &user;
  head_ = std::move(head);
  input_ = input;
  written_ = 0;
  reader_.emplace(output_bytes_max);
  ++call_count_;
  write();
  if (std::exchange(paused_, false)) signal(SIGCONT);
}

void Process::leave() {
  if (written_ < head_.size() + input_.size())
    broken_ = true;  // It would take the next call for more of this.
  user_ = nullptr;
  head_.clear();
  input_ = {};
  written_ = 0;
}

bool Process::is_reusable() const {
  return !broken_ && !killed_ && !is_gone() && !reader_ && written_ == head_.size() + input_.size();
}

Spent Process::spent() {
  const pid_t process = handle_ ? process_of(handle_) : 0;
  if (process == 0) return {};
  const Duration all = std::max(cpu_time_of(process), spent_);
  return {.cpu_time = all - std::exchange(spent_, all), .memory_bytes = memory_of(process)};
}

// The head, then the input, as fast as they are taken.
void Process::write() {
  while (is_bounded_ && channels_->call.is_open() && written_ < head_.size() + input_.size()) {
    const std::string_view head = std::string_view(head_).substr(std::min(written_, head_.size()));
    const std::string_view input =
        input_.substr(written_ > head_.size() ? written_ - head_.size() : std::size_t{0});
    std::array<iovec, 2> parts = {
        iovec{.iov_base = const_cast<char*>(head.data()), .iov_len = head.size()},
        iovec{.iov_base = const_cast<char*>(input.data()), .iov_len = input.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = sendmsg(channels_->call.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return;  // Whoever does not want it may still answer.
    if (sent < 0) return wait(channels_->call, Stream::wait_write, [this] { write(); });
    written_ += static_cast<std::size_t>(sent);
  }
}

void Process::wait_for_answer() {
  wait(channels_->call, Stream::wait_read, [this] {
    Progress progress = Progress::more;
    for (std::size_t i = 0; i < pieces_per_round && progress == Progress::more; ++i) progress = read_some();
    if (progress != Progress::end) wait_for_answer();
  });
}

void Process::wait_for_log() {
  wait(channels_->log, Stream::wait_read, [this] {
    if (read_log() != Progress::end) wait_for_log();
  });
}

Process::Progress Process::read_some() {
  if (!channels_->call.is_open() || broken_) return Progress::end;
  std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = recv(channels_->call.native_handle(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return errno == EAGAIN ? Progress::wait : Progress::more;
  }
  if (got <= 0) {
    broken_ = true;
    return Progress::end;
  }
  if (!reader_) {  // It was not asked.
    broken_ = true;
    kill();
    return Progress::end;
  }
  const auto whole = reader_->add({piece.data(), static_cast<std::size_t>(got)});
  if (whole && !*whole) return Progress::more;
  if (!whole || reader_->has_more()) broken_ = true;
  take_answer(whole.map([this](bool) { return reader_->take(); }));
  return broken_ ? Progress::end : Progress::wait;
}

void Process::take_answer(Result<wire::PythonAnswer> answer) {
  reader_.reset();
  read_rest_of_log();
  if (user_ != nullptr) user_->on_answer(std::move(answer));
}

// What it had printed before it answered lies in the pipe.
void Process::read_rest_of_log() {
  for (int i = 0; i < log_pieces_max && read_log() == Progress::more; ++i) continue;
}

Process::Progress Process::read_log() {
  if (!channels_->log.is_open()) return Progress::end;
  std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = read(channels_->log.native_handle(), piece.data(), piece.size());
  if (got < 0) return errno == EAGAIN ? Progress::wait : errno == EINTR ? Progress::more : Progress::end;
  if (got == 0) return Progress::end;
  if (user_ != nullptr) user_->on_log({piece.data(), static_cast<std::size_t>(got)});
  return Progress::more;
}

template <class Next>
void Process::wait(Stream& stream, Stream::wait_type what, Next next) {
  if (!stream.is_open()) return;
  stream.async_wait(
      what, [weak = weak_from_this(), channels = channels_, next](const boost::system::error_code& error) {
        if (error) return;
        if (const auto self = weak.lock()) next();
      });
}

void Process::pause() {
  paused_ = true;
  signal(SIGSTOP);
}

void Process::kill() {
  killed_ = true;
  signal(SIGKILL);
}

// Where its handle is not there yet, on_begun() does it.
void Process::signal(int number) {
  if (handle_) syscall(SYS_pidfd_send_signal, handle_.get(), number, nullptr, 0);
}

void Process::on_begun(Descriptor process) {
  if (handle_) return;  // It was said twice.
  handle_ = std::move(process);
  if (killed_) return signal(SIGKILL);
  if (paused_) signal(SIGSTOP);
  zygote_->bound(handle_, [weak = weak_from_this()](Result<std::shared_ptr<MemoryGroup>> group) {
    if (const auto self = weak.lock()) self->go_on(std::move(group));
  });
}

void Process::go_on(Result<std::shared_ptr<MemoryGroup>> group) {
  if (!group) {
    kill();
    return on_lost(group.error());
  }
  memory_ = *std::move(group);
  is_bounded_ = true;
  write();
}

void Process::on_ended(const wire::PythonPacket& packet) {
  const auto self = shared_from_this();  // Its user may let go of it.
  // All that was written lies in the sockets.
  while (read_some() == Progress::more) continue;
  while (read_log() == Progress::more) continue;
  ended_ = packet;
  ended_->cpu_time -= std::min(spent_, packet.cpu_time);
  if (user_ != nullptr) user_->on_gone();
}

void Process::on_lost(const Error& error) {
  const auto self = shared_from_this();
  lost_ = error;
  if (user_ != nullptr) user_->on_gone();
}

}  // namespace canopy::python
