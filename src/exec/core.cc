#include "exec/core.h"

#include <algorithm>

#include <boost/asio/post.hpp>

#include "base/check.h"

namespace canopy::exec {
namespace {

constexpr std::uint64_t rotation = 8;   // One turn in so many goes by rotation, not by level.
constexpr std::size_t heavy_level = 1;  // From here on a turn is followed by a pause, on a busy core.
constexpr int heavy_pause = 3;          // In lengths of the turn.
constexpr Duration idle_round = std::chrono::microseconds(5);  // A round this short served no socket.

}  // namespace

Core::Core(std::size_t index, const Clock& clock)
    : index_(index), clock_(clock), io_(1), timer_(io_.get_executor()) {}

Core::~Core() { CANOPY_CHECK(runnable_count_ == 0 && timers_.empty()); }

void Core::run() {
  const auto work = net::asio::make_work_guard(io_);
  io_.run();
}

void Core::stop() { io_.stop(); }

std::size_t Core::poll(std::size_t count_max) {
  fire_timers();
  io_.restart();
  std::size_t count = 0;
  while (count < count_max && io_.poll_one() > 0) ++count;
  return count;
}

void Core::post(std::function<void()> work) { net::asio::post(io_, std::move(work)); }

void Core::enqueue(Turn& turn, std::size_t level, Time deadline) {
  set_timer(turn, never, deadline);
  stand_in_line(turn, std::min(level, level_count - 1));
}

void Core::suspend(Turn& turn, Time wake_at, Time deadline) {
  step_out(turn);
  set_timer(turn, wake_at, deadline);
}

void Core::wake(Turn& turn) {
  if (!turn.timed_ || turn.level_) return;
  set_timer(turn, never, turn.expire_at_);
  stand_in_line(turn, 0);
}

void Core::leave(Turn& turn) {
  step_out(turn);
  drop_timer(turn);
}

void Core::stand_in_line(Turn& turn, std::size_t level) {
  CANOPY_CHECK(!turn.level_);
  turn.level_ = level;
  lines_.at(level).push_back(&turn);
  ++runnable_count_;
  crowded_.store(true, std::memory_order_relaxed);
  request_turn();
}

void Core::step_out(Turn& turn) {
  if (!turn.level_) return;
  auto& line = lines_.at(*turn.level_);
  line.erase(std::find(line.begin(), line.end(), &turn));
  turn.level_.reset();
  if (--runnable_count_ == 0) crowded_.store(false, std::memory_order_relaxed);
}

// One handler in the loop's queue stands for all who are in line: the loop polls the sockets each time the
// queue has gone round, so each round serves all that is ready and then gives one turn; and, while light ones
// are in line, as many as fit into the time that the sockets and the new calls had. With one a round a crowd
// of light calls would wait behind whatever comes in later.
void Core::request_turn() {
  if (turn_requested_) return;
  turn_requested_ = true;
  turn_requested_at_ = clock_.now();
  net::asio::post(io_, [this] {
    const Time begun = clock_.now();
    const Duration share = begun - turn_requested_at_;
    do {
      take_one_turn();
    } while (!lines_.front().empty() && clock_.now() - begun < share && !io_.stopped());
    turn_requested_ = false;  // Not before: what the turns took is no time of the sockets.
    if (runnable_count_ > 0) request_turn();
  });
}

std::size_t Core::choose_level(std::size_t level_end) {
  const std::size_t first = ++turn_count_ % rotation == 0 ? turn_count_ / rotation % level_end : 0;
  for (std::size_t i = 0; i < level_end; ++i) {
    const std::size_t level = (first + i) % level_end;
    if (!lines_.at(level).empty()) return level;
  }
  return level_count;
}

void Core::take_one_turn() {
  const Time now = clock_.now();
  const bool busy = now - turn_requested_at_ > idle_round;
  const std::size_t level = choose_level(busy && now < heavy_again_at_ ? heavy_level : level_count);
  if (level == level_count) return;
  Turn& turn = *lines_.at(level).front();
  step_out(turn);
  const bool late = now >= turn.expire_at_;
  drop_timer(turn);
  if (late) return turn.expire();
  turn.take();
  if (level < heavy_level) return;
  const Time after = clock_.now();
  heavy_again_at_ = after + heavy_pause * (after - now);
}

void Core::set_timer(Turn& turn, Time wake_at, Time expire_at) {
  drop_timer(turn);
  turn.wake_at_ = wake_at;
  turn.expire_at_ = expire_at;
  turn.timed_ = true;
  timers_.emplace(std::min(wake_at, expire_at), &turn);
  arm_timer();
}

void Core::drop_timer(Turn& turn) {
  if (!turn.timed_) return;
  timers_.erase({std::min(turn.wake_at_, turn.expire_at_), &turn});
  turn.timed_ = false;
}

// The timer may stay armed for somebody who has left; it then fires for nothing once.
void Core::arm_timer() {
  if (timers_.empty()) return;
  const Time first = timers_.begin()->first;
  if (first >= armed_for_) return;
  armed_for_ = first;
  timer_.expires_after(
      std::max(first - clock_.now(), Duration::zero()));  // A fake clock differs from the timer's.
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // Armed anew for an earlier time.
    armed_for_ = never;
    fire_timers();
    arm_timer();
  });
}

void Core::fire_timers() {
  const Time now = clock_.now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Turn& turn = *timers_.begin()->second;
    if (turn.expire_at_ <= now) {
      leave(turn);
      turn.expire();
    } else {
      wake(turn);
    }
  }
}

}  // namespace canopy::exec
