#include "foreign/remote_instance.h"

#include <array>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "foreign/dial.h"

namespace canopy::foreign {
namespace {

constexpr Duration remove_timeout = std::chrono::seconds(1);
constexpr int crash_status = 1 << 8;  // As of waitpid(): what a program ends with that has failed.

Descriptor copy_of(int number) { return Descriptor(fcntl(number, F_DUPFD_CLOEXEC, 0)); }

// Its worker has closed it, or it is broken: one that is lost needs no end from us.
bool is_over(const Descriptor& connection) {
  pollfd asked{connection.get(), POLLRDHUP, 0};
  return poll(&asked, 1, 0) == 1;
}

}  // namespace

RemoteLife::RemoteLife() : end_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void RemoteLife::set_way(Descriptor way) {
  const std::lock_guard lock(mutex_);
  way_ = std::move(way);
}

Result<Descriptor> RemoteLife::connect() {
  const std::lock_guard lock(mutex_);
  if (ending_ || !way_) return fail(Code::unavailable, "the instance has ended");
  CANOPY_TRY(Descriptor made, connect_again(way_.get()));
  std::erase_if(connections_, is_over);
  if (connections_.size() >= connections_max) connections_.erase(connections_.begin());
  connections_.push_back(copy_of(made.get()));
  return made;
}

void RemoteLife::end(Ending ending) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  ending_ = ending;
  // Who waits for an answer of a machine that is gone would wait for long.
  if (ending == Ending::lost) {
    close_connections();
  }
  way_.reset();
  static_cast<void>(eventfd_write(end_.get(), 1));
  ended_.notify_all();
}

void RemoteLife::close() {
  const std::lock_guard lock(mutex_);
  close_connections();
}

void RemoteLife::close_connections() {
  for (const Descriptor& one : connections_) shutdown(one.get(), SHUT_RDWR);
  connections_.clear();
}

std::optional<Ending> RemoteLife::ending() const {
  const std::lock_guard lock(mutex_);
  return ending_;
}

bool RemoteLife::wait(Duration time) const {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, time, [this] { return ending_.has_value(); });
}

RemoteInstance::RemoteInstance(std::shared_ptr<RemoteLife> life, Stop stop)
    : life_(std::move(life)), stop_(std::move(stop)) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
  output_ = Descriptor(ends[0]);
  const Descriptor nobody_writes(ends[1]);
}

RemoteInstance::~RemoteInstance() {
  remove();
  life_->close();
}

std::optional<container::End> RemoteInstance::take_end() {
  const auto ending = life_->ending();
  if (!ending || std::exchange(is_end_taken_, true)) return std::nullopt;
  return container::End{.status = *ending == Ending::idle ? 0 : crash_status, .out_of_memory = false};
}

void RemoteInstance::remove() {
  if (life_->ending()) return;
  stop_(Duration::zero());
  static_cast<void>(life_->wait(remove_timeout));
}

}  // namespace canopy::foreign
