#include "container/fake_engine.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace canopy::container {
namespace {

std::pair<Descriptor, Descriptor> make_pair() {
  std::array<int, 2> ends{};
  CANOPY_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::pair<Descriptor, Descriptor> make_pipe() {
  std::array<int, 2> ends{};
  CANOPY_CHECK(pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

class FakeStarted final : public Started {
 public:
  explicit FakeStarted(std::shared_ptr<FakeContainer> container) : container_(std::move(container)) {
    std::tie(outputs_[0], container_->output) = make_pipe();
    std::tie(outputs_[1], container_->errors) = make_pipe();
    std::tie(end_, container_->end_signal) = make_pair();
  }
  ~FakeStarted() override { container_->is_removed = true; }

  pid_t process() const override { return 0; }

  Result<Descriptor> connect(std::uint16_t port) const override {
    if (!container_->listens || container_->ended) {
      return fail(Code::unavailable, "nobody listens on port " + std::to_string(port));
    }
    if (container_->is_busy) return fail(Code::exhausted, "it takes no more connections now");
    auto [ours, theirs] = make_pair();
    container_->servers.push_back(std::move(theirs));
    return std::move(ours);
  }

  // The kernel chooses which port of this machine's.
  Result<Descriptor> listen(std::uint16_t /*port*/) const override {
    Descriptor made(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    CANOPY_CHECK(bind(made.get(), generic, size) == 0 && ::listen(made.get(), 4) == 0);
    CANOPY_CHECK(getsockname(made.get(), generic, &size) == 0);
    container_->called_port = ntohs(address.sin_port);
    return made;
  }

  Descriptor take_input() override { return {}; }
  std::vector<int> outputs() const override { return {outputs_[0].get(), outputs_[1].get()}; }

  Progress read_output(const OnOutput& on_output) override {
    ++container_->look_count;
    Progress progress = Progress::end;
    for (const Descriptor& from : outputs_) {
      std::array<char, 4096> piece{};
      const ssize_t got = read(from.get(), piece.data(), piece.size());
      if (got < 0 && progress == Progress::end) progress = Progress::wait;
      if (got <= 0) continue;
      on_output(&from == &outputs_[1], {piece.data(), static_cast<std::size_t>(got)});
      progress = Progress::more;
    }
    return progress;
  }

  int end_descriptor() const override { return end_.get(); }
  std::optional<End> take_end() override { return container_->ended; }

  void stop(Duration grace) override {
    container_->is_asked_to_stop = true;
    container_->end({.status = grace.count() > 0 ? SIGTERM : SIGKILL, .out_of_memory = false});
  }

  void remove() override {
    if (!container_->ended) container_->end({.status = SIGKILL, .out_of_memory = false});
    container_->is_removed = true;
  }

 private:
  const std::shared_ptr<FakeContainer> container_;
  std::array<Descriptor, 2> outputs_;
  Descriptor end_;
};

}  // namespace

void FakeContainer::end(End how) {
  if (ended) return;
  ended = how;
  servers.clear();
  output.reset();
  errors.reset();
  end_signal.reset();
}

Result<std::unique_ptr<Started>> FakeEngine::start(const Plan& plan) {
  if (failure) return tl::unexpected(*failure);
  auto container = std::make_shared<FakeContainer>();
  container->plan = plan;
  container->listens = listens;
  containers.push_back(container);
  return std::make_unique<FakeStarted>(std::move(container));
}

}  // namespace canopy::container
