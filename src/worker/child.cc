#include "worker/child.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "net/frame_channel.h"
#include "wall/confine.h"
#include "wall/sight.h"
#include "worker/own_load.h"
#include "worker/worker.h"

namespace canopy::worker {
namespace {

using wire::FrameKind;

constexpr std::size_t disk_threads = 2;
constexpr std::size_t disk_queue_max = 10'000;
constexpr std::size_t loaded_functions_max = 4096;
constexpr int more_expendable = 300;  // Than the gateway, where the machine is out of memory.

std::optional<long> read_number(std::string_view text) {
  long number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

bool read_whole(int from, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = read(from, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// Exactly one frame, so that what follows is the link's.
Result<wire::WorkerSetup> receive_setup(int from) {
  std::string bytes(sizeof(std::uint32_t), '\0');
  if (!read_whole(from, bytes.data(), bytes.size())) return fail(Code::unavailable, "the parent is gone");
  const std::size_t size = wire::frame_bytes(bytes);
  if (size < wire::frame_head_bytes || size > wire::frame_head_bytes + wire::frame_body_bytes_max) {
    return fail(Code::invalid, "what the parent says is no setup");
  }
  const std::size_t got = bytes.size();
  bytes.resize(size);
  if (!read_whole(from, bytes.data() + got, size - got)) return fail(Code::unavailable, "the parent is gone");
  std::string_view rest = bytes;
  CANOPY_TRY(const auto frame, wire::take_frame(rest));
  if (!frame || frame->head.kind != FrameKind::setup) {
    return fail(Code::invalid, "what the parent says is no setup");
  }
  return wire::read_setup(frame->body);
}

// Blocked in all threads that are made from now on, so that one can wait for it.
sigset_t block_stop_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGINT, SIG_IGN);   // NOLINT(cert-err33-c): a terminal sends it to the parent as well.
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c)
  return set;
}

bool tie_to_parent(long parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  return getppid() == parent;  // It may have died before.
}

void be_modest() {
  prctl(PR_SET_NAME, "canopy-worker");
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &none);
  std::ofstream("/proc/self/oom_score_adj") << more_expendable;
}

void warn_without(const Result<void>& wall) {
  if (!wall) log::warn("a worker goes on without a wall: {}", wall.error().message);
}

// It reads what was made of functions, and what is anybody's. Before its first thread: those that are there
// already would go on seeing everything.
void see_little(const std::string& data) {
  std::vector<std::string> seen = wall::system_files();
  for (const char* const folder : {"/compiled", "/code"}) seen.push_back(data + folder);
  for (const char* const name : {"SSL_CERT_FILE", "SSL_CERT_DIR"}) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any.
    if (value != nullptr) seen.emplace_back(value);
  }
  warn_without(wall::see_only(seen));
}

// What the fleet asks and says.
class Control final : public net::FrameListener {
 public:
  Control(std::unique_ptr<net::FrameLink> link, Worker& worker, std::function<void()> drain)
      : link_(std::move(link)), worker_(worker), drain_(std::move(drain)) {
    wire::write_hello(
        {.version = wire::frame_version, .credit = 0, .process = static_cast<std::uint64_t>(getpid())},
        body_);
    link_->send({.kind = FrameKind::hello}, body_);
    link_->listen(*this);
  }

  void on_frame(const wire::Frame& frame) override {
    if (frame.head.kind == FrameKind::goaway) return drain_();
    if (frame.head.kind != FrameKind::ping) return;
    wire::write_load({.running_count = static_cast<std::uint32_t>(worker_.running_count()),
                      .resident_bytes = own_resident_bytes(),
                      .templates_bytes = worker_.templates_bytes(),
                      .cpu_time = own_cpu_time()},
                     body_);
    link_->send({.kind = FrameKind::pong}, body_);
  }

  // The parent is gone. What runs here is nobody's now.
  void on_closed(const std::string& /*why*/) override { _exit(0); }

  void say_leaving() { link_->send({.kind = FrameKind::goaway}, {}); }

 private:
  const std::unique_ptr<net::FrameLink> link_;
  Worker& worker_;
  const std::function<void()> drain_;
  std::string body_;
};

int fail_with(std::string_view what) {
  log::error("a worker cannot start: {}", what);
  return 1;
}

}  // namespace

bool is_worker_child(int count, const char* const* arguments) {
  return count == 4 && std::string_view(arguments[1]) == worker_child_word;
}

int worker_child(int count, const char* const* arguments, const RuntimeMaker& make_runtimes,
                 const Clock& clock) {
  const auto parent = read_number(count > 2 ? arguments[2] : "");
  const auto line_count = read_number(count > 3 ? arguments[3] : "");
  if (!parent || !line_count || *line_count < 1 || *line_count > 4096) return 1;
  const sigset_t stop_signal = block_stop_signal();
  if (!tie_to_parent(*parent)) return 1;
  be_modest();
  const auto setup = receive_setup(first_descriptor);
  if (!setup) return fail_with(setup.error().message);
  start_log(setup->log_level);
  see_little(setup->data);

  exec::Core core(0, clock);
  net::BlockingPool disk(disk_threads, disk_queue_max);
  auto runtimes = make_runtimes(*setup, core, disk);
  if (!runtimes) return fail_with(runtimes.error().message);
  warn_without(wall::confine(wall::FilterKind::worker));

  Worker worker(core, *runtimes, disk,
                {.slots = setup->slots,
                 .room = {.bytes_max = setup->templates_bytes_max, .count_max = loaded_functions_max}});
  std::unique_ptr<Control> control;
  const auto drain = [&] {
    if (control) control->say_leaving();
    worker.drain([] {
      // The sockets have what was written to them; nothing else outlives this process.
      std::fflush(nullptr);
      _exit(0);
    });
  };
  control = std::make_unique<Control>(net::make_frame_channel(core.io(), first_descriptor), worker, drain);
  for (int i = 0; i < *line_count; ++i) {
    worker.serve(net::make_frame_channel(core.io(), first_descriptor + 1 + i));
  }
  const std::jthread signals([&core, &drain, stop_signal] {
    int number = 0;
    while (sigwait(&stop_signal, &number) == 0) core.post(drain);
  });
  core.run();
  return 0;
}

}  // namespace canopy::worker
