#include "container/waiting.h"

#include <algorithm>
#include <utility>

namespace canopy::container {
namespace {

constexpr Duration end_timeout = std::chrono::milliseconds(500);  // From a broken connection to the word why.
constexpr Duration first_delay = std::chrono::milliseconds(1);    // Until it is tried again; doubles.
constexpr Duration delay_max = std::chrono::milliseconds(50);

}  // namespace

Waiting::~Waiting() {
  core_.leave(*this);
  alive_.reset();
  if (ticket_ != nullptr) {
    ticket_->wake = nullptr;
    pool_->leave(*ticket_);
  }
  if (member_ != nullptr) give_place({}, After::broken);
}

net::Task<void> Waiting::get_place() {
  ticket_ = std::make_shared<Ticket>(core_);
  ticket_->wake = [this] { event_.set(); };
  pool_->take(ticket_);
  std::optional<Result<Grant>> news = pool_->look(*ticket_);
  const Time since = news ? Time{} : core_.clock().now();
  while (!news && !stopped_) {
    co_await event_.wait();
    news = pool_->look(*ticket_);
  }
  ticket_->wake = nullptr;
  if (news && *news) {
    member_ = std::move((*news)->member);
    connection_ = std::move((*news)->connection);
    reply_.usage.cold = reply_.usage.cold || (*news)->is_first;
    if (since != Time{}) note_start(since);
    ear_ = std::make_shared<Ear>(core_, call_->log);
    member_->voice.attach(ear_);
    cpu_before_ = member_->cgroup.cpu_time();
  } else if (news) {
    reply_.unbegun = (*news).error().code == Code::unavailable;
    stop((*news).error());
  }
  if (!news || !*news) pool_->leave(*ticket_);
  ticket_ = nullptr;
}

// It has waited in line since then; for its container, as long as that was being started meanwhile.
void Waiting::note_start(Time since) {
  const Duration starting = member_->ready - std::max(member_->begun, since);
  if (starting <= Duration::zero()) return;
  reply_.usage.wait_time = core_.clock().now() - call_->queued;
  reply_.usage.add_start(starting);
}

void Waiting::give_place(Descriptor connection, After after) {
  if (member_ == nullptr) return;
  if (ear_ != nullptr) member_->voice.detach(std::exchange(ear_, nullptr), *member_->started);
  connection_.reset();
  pool_->give(std::exchange(member_, nullptr), std::move(connection), after);
}

net::Task<Descriptor> Waiting::connect() {
  for (int retries = 0; !stopped_; ++retries) {
    auto connected = member_->started->connect(pool_->settings().port);
    if (connected) co_return *std::move(connected);
    if (connected.error().code != Code::exhausted) break;
    co_await pause(retries);
  }
  co_return Descriptor();
}

net::Task<void> Waiting::pause(int retries) {
  const Duration delay = std::min(first_delay * (1 << std::min(retries, 8)), delay_max);
  exec::Alarm alarm(core_);
  bool is_over = false;
  alarm.set(core_.clock().now() + delay, [this, &is_over] {
    is_over = true;
    event_.set();
  });
  while (!is_over && !stopped_) co_await event_.wait();
}

net::Task<std::optional<End>> Waiting::await_end() {
  const std::weak_ptr<bool> alive = alive_;
  auto on_end = [this, alive] {
    if (!alive.expired()) event_.set();
  };
  std::optional<End> end = pool_->ask_end(*member_, core_, on_end);
  exec::Alarm alarm(core_);
  bool is_late = false;
  alarm.set(core_.clock().now() + end_timeout, [this, &is_late] {
    is_late = true;
    event_.set();
  });
  while (!end && !is_late && !stopped_) {
    co_await event_.wait();
    end = pool_->ask_end(*member_, core_, nullptr);
  }
  co_return end;
}

void Waiting::stop(Error error) {
  if (stopped_) return;
  stopped_ = std::move(error);
  event_.set();
}

std::string Waiting::late_text() const {
  if (begun_at_ != Time{}) return "the deadline passed while it ran";
  return "the deadline passed before a container was free for it: they are busy, or not ready yet";
}

void Waiting::begin() {
  if (begun_at_ != Time{}) return;
  begun_at_ = core_.clock().now();
  reply_.usage.wait_time = begun_at_ - call_->queued;
}

// Of a container with several calls each gets its share.
void Waiting::measure() {
  if (begun_at_ == Time{}) return;
  reply_.usage.run_time = core_.clock().now() - begun_at_;
  if (member_ == nullptr) return;
  const auto sharing = static_cast<int>(std::max<std::uint32_t>(pool_->running_count(*member_), 1));
  const Duration spent = member_->cgroup.cpu_time() - cpu_before_;
  reply_.usage.cpu_time = std::max(spent / sharing, Duration::zero());
  reply_.usage.memory_bytes = member_->cgroup.memory_bytes();
}

}  // namespace canopy::container
