#include "container/runc.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/units.h"
#include "container/bundle.h"
#include "container/door.h"
#include "container/program.h"
#include "container/warden.h"
#include "exec/cgroup.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;

constexpr Duration program_timeout = std::chrono::seconds(20);
constexpr Duration start_timeout = std::chrono::seconds(40);
constexpr Duration gone_timeout = std::chrono::seconds(40);
constexpr std::size_t piece_bytes = 64 * KiB;
constexpr int pieces_per_round = 16;
constexpr std::uint64_t tcp_share =
    4;  // Of its memory, so large a part may lie in a container's connections.
constexpr std::uint64_t tcp_bytes_min = 4 * MiB;

tl::unexpected<Error> no_process(const std::string& why) {
  return fail(Code::unavailable, "no process for a container can be started: " + why);
}
tl::unexpected<Error> no_process(int error) {
  return no_process(std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

// Both ends of a pipe, out of the way of the numbers that they are to have in another process.
struct Pipe {
  Descriptor from;
  Descriptor to;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return no_process(errno);
  Pipe made;
  made.from = Descriptor(above(warden_descriptor, ends[0]));
  made.to = Descriptor(above(warden_descriptor, ends[1]));
  if (!made.from || !made.to) return no_process(errno);
  return made;
}

class RuncContainer final : public Started {
 public:
  RuncContainer(pid_t warden, Descriptor control, fs::path bundle)
      : warden_(warden), control_(std::move(control)), bundle_(std::move(bundle)) {}

  ~RuncContainer() override { remove(); }

  // Waits for the word that it runs.
  Result<void> begin(Descriptor input, Descriptor output, Descriptor errors) {
    input_ = std::move(input);
    outputs_.at(0) = std::move(output);
    outputs_.at(1) = std::move(errors);
    for (const Descriptor& one : outputs_) fcntl(one.get(), F_SETFL, O_NONBLOCK);
    const auto said = wait_for_packet(system_clock().now() + start_timeout);
    if (!said)
      return fail(Code::unavailable,
                  "runc did not start the container within " + duration_text(start_timeout));
    constexpr std::string_view started = "started ";
    if (said->starts_with(started)) {
      std::from_chars(said->data() + started.size(), said->data() + said->size(), process_);
      // One that has ended already has no network any more.
      if (auto door = Door::open(process_)) door_.emplace(*std::move(door));
      return {};
    }
    constexpr std::string_view failed = "failed ";
    if (!said->starts_with(failed)) return fail(Code::unavailable, "the process beside the container ended");
    return fail(Code::refused,
                "the container cannot be started: " + log_safe(said->substr(failed.size()), 1000));
  }

  pid_t process() const override { return process_; }
  Result<Descriptor> connect(std::uint16_t port) const override {
    if (door_) return door_->connect(port);
    return fail(Code::unavailable, "the container has ended");
  }
  Result<Descriptor> listen(std::uint16_t port) const override {
    if (door_) return door_->listen(port);
    return fail(Code::unavailable, "the container has ended");
  }
  Descriptor take_input() override { return std::move(input_); }
  std::vector<int> outputs() const override { return {outputs_[0].get(), outputs_[1].get()}; }
  int end_descriptor() const override { return control_.get(); }

  Progress read_output(const OnOutput& on_output) override {
    bool waits = false;
    bool more = false;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const Progress progress = read_one(i, on_output);
      waits = waits || progress == Progress::wait;
      more = more || progress == Progress::more;
    }
    return more ? Progress::more : waits ? Progress::wait : Progress::end;
  }

  std::optional<End> take_end() override {
    if (!has_ended_) static_cast<void>(read_packet());
    return std::exchange(ended_, std::nullopt);
  }

  void stop(Duration grace) override {
    const std::string packet =
        "stop " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(grace).count());
    static_cast<void>(send(control_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  void remove() override {
    if (warden_ == 0) return;
    shutdown(control_.get(), SHUT_WR);
    const Time deadline = system_clock().now() + gone_timeout;
    while (!is_gone_ && wait_for_packet(deadline)) continue;
    if (!wait_for_child(warden_, is_gone_ ? gone_timeout : Duration::zero()))
      static_cast<void>(kill_child(warden_));
    warden_ = 0;
    std::error_code ignored;
    fs::remove_all(bundle_, ignored);
  }

 private:
  Progress read_one(std::size_t i, const OnOutput& on_output) {
    Descriptor& from = outputs_.at(i);
    if (!from) return Progress::end;
    for (int piece_count = 0; piece_count < pieces_per_round; ++piece_count) {
      std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
      const ssize_t got = read(from.get(), piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return Progress::wait;
      if (got <= 0) {
        from.reset();
        return Progress::end;
      }
      on_output(i == 1, {piece.data(), static_cast<std::size_t>(got)});
    }
    return Progress::more;
  }

  // What the process beside it says, if there is anything now; "" where that has ended.
  std::optional<std::string> read_packet() {
    std::string packet(warden_packet_bytes_max, '\0');
    ssize_t got = 0;
    do {
      got = recv(control_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    packet.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    if (packet.empty() || packet == "gone" || packet.starts_with("failed ")) is_gone_ = true;
    constexpr std::string_view ended = "ended ";
    if (packet.starts_with(ended) || (packet.empty() && !has_ended_)) {
      End end{.status = SIGKILL, .out_of_memory = packet.ends_with(" 1")};
      if (!packet.empty())
        std::from_chars(packet.data() + ended.size(), packet.data() + packet.size(), end.status);
      ended_ = end;
      has_ended_ = true;
    }
    return packet;
  }

  std::optional<std::string> wait_for_packet(Time deadline) {
    for (;;) {
      if (auto packet = read_packet()) return packet;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
      if (left.count() <= 0) return std::nullopt;
      pollfd wanted{control_.get(), POLLIN, 0};
      poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    }
  }

  pid_t warden_;
  pid_t process_ = 0;
  Descriptor control_;
  const fs::path bundle_;
  Descriptor input_;
  std::array<Descriptor, 2> outputs_;  // Standard output, and the one for errors.
  std::optional<Door> door_;
  std::optional<End> ended_;  // Until it is taken.
  bool has_ended_ = false;
  bool is_gone_ = false;
};

class RuncEngine final : public Engine {
 public:
  RuncEngine(std::string program, fs::path folder)
      : program_(std::move(program)), folder_(std::move(folder)) {}

  std::string_view name() const override { return "runc"; }

  Result<void> check() override {
    if (geteuid() != 0) {
      return fail(Code::unavailable,
                  "container functions need a server that runs as root, to start containers and "
                  "to enter their networks");
    }
    const auto said = run_program({program_, "--version"}, program_timeout);
    if (said && said->status == 0) return {};
    return fail(Code::unavailable, "container functions need runc on this machine, and '" + program_ +
                                       "' is none: install it with `apt-get install runc`");
  }

  Result<void> add_image(const std::string& /*name*/, const fs::path& /*root*/) override { return {}; }
  void drop_image(const std::string& /*name*/) override {}

  Result<std::unique_ptr<Started>> start(const Plan& plan) override {
    const fs::path bundle = folder_ / "bundles" / plan.id;
    std::error_code error;
    fs::create_directories(bundle, error);
    if (!error) fs::create_directories(folder_ / "state", error);
    std::ofstream config(bundle / "config.json", std::ios::binary);
    config << write_bundle(plan, exec::counts_swap());
    config.close();
    if (error || !config) {
      return fail(Code::unavailable, "cannot write " + bundle.string() + ": is the disk full?");
    }
    exec::bound_tcp(cgroup_path(plan.id), std::max(plan.memory_bytes / tcp_share, tcp_bytes_min));
    auto started = begin(plan, bundle);
    if (!started) {
      fs::remove_all(bundle, error);
      exec::remove_tcp_bound(cgroup_path(plan.id));
    }
    return started;
  }

  Result<std::size_t> remove_orphans() override {
    std::error_code error;
    std::size_t count = 0;
    for (fs::directory_iterator at(folder_ / "state", error); at != fs::directory_iterator();
         at.increment(error)) {
      const std::string id = at->path().filename().string();
      CANOPY_TRY(const ProgramEnd end,
                 run_program({program_, "--root", (folder_ / "state").string(), "delete", "--force", id},
                             program_timeout));
      if (end.status != 0) {
        log::warn("a container of an earlier server cannot be removed: {}", log_safe(end.words));
      }
      ++count;
    }
    std::error_code ignored;
    fs::remove_all(folder_ / "bundles", ignored);
    return count;
  }

 private:
  Result<std::unique_ptr<Started>> begin(const Plan& plan, const fs::path& bundle) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return no_process(errno);
    Descriptor ours(ends[0]);
    Descriptor theirs(above(warden_descriptor, ends[1]));
    if (!theirs) return no_process(errno);
    Pipe input;
    if (plan.has_input) {
      CANOPY_TRY(input, make_pipe());
    }
    CANOPY_TRY(Pipe output, make_pipe());
    CANOPY_TRY(Pipe errors, make_pipe());
    const WardenPlan beside{
        .runc = program_, .state = (folder_ / "state").string(), .bundle = bundle.string(), .id = plan.id};
    ChildPlan child;
    child.words = warden_words(beside);
    child.program = child.words.front();
    // runc and nobody else sees it: where programs are.
    child.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    child.streams = {plan.has_input ? input.from.get() : no_stream, output.to.get(), errors.to.get(),
                     theirs.get()};
    // What is typed at a terminal is for the server.
    child.group = ChildPlan::Group::session;
    const auto warden = start_child(child);
    if (!warden) return no_process(warden.error().message);
    auto made = std::make_unique<RuncContainer>(*warden, std::move(ours), bundle);
    // Or their ends would not be heard of.
    for (Descriptor* const one : {&theirs, &input.from, &output.to, &errors.to}) one->reset();
    CANOPY_TRY_VOID(made->begin(std::move(input.to), std::move(output.from), std::move(errors.from)));
    return std::unique_ptr<Started>(std::move(made));
  }

  const std::string program_;
  const fs::path folder_;
};

}  // namespace

std::unique_ptr<Engine> make_runc_engine(std::string program, fs::path folder) {
  return std::make_unique<RuncEngine>(std::move(program), std::move(folder));
}

}  // namespace canopy::container
