#include "builders/mirror.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "wire/base64.h"
#include "wire/pickle.h"

namespace canopy::builders {
namespace {

constexpr std::size_t batch_count_max = 256;
constexpr std::size_t batch_bytes_max = 8 * MiB;
constexpr Duration rest = std::chrono::seconds(1);         // Where Redis does not answer.
constexpr Duration stop_time = std::chrono::seconds(2);    // For what waits when the server ends.
constexpr Duration told_period = std::chrono::minutes(1);  // What is dropped is told no more often.
constexpr const char* channel = "Tasks";

std::string function_key(std::string_view id) { return "function:" + std::string(id); }
std::string task_key(const Uuid& id) { return "task:" + to_text(id); }

}  // namespace

std::string task_message(const Uuid& task) {
  return wire::write_base64(wire::pickle_entry("task_id", to_text(task)));
}

Mirror::Mirror(store::RedisAddress address, Duration kept, FindEnd find_end, const Clock& clock,
               Limits limits)
    : clock_(clock),
      kept_seconds_(std::to_string(
          std::max<Duration::rep>(std::chrono::duration_cast<std::chrono::seconds>(kept).count(), 1))),
      find_end_(std::move(find_end)),
      limits_(limits),
      link_(std::move(address)),
      thread_([this]() noexcept { run(); }) {}

void Mirror::add_function(const Uuid& id, std::string name, std::string payload) {
  put({.kind = Note::Kind::function, .id = id, .first = std::move(name), .second = std::move(payload)});
}

void Mirror::add_task(CallId task, const Uuid& function, std::string payload) {
  put({.kind = Note::Kind::task,
       .id = task_uuid(task),
       .call = task,
       .first = to_text(function),
       .second = std::move(payload)});
}

void Mirror::begun(CallId task) { put({.kind = Note::Kind::begun, .id = task_uuid(task), .call = task}); }

void Mirror::ended(CallId task) { put({.kind = Note::Kind::ended, .id = task_uuid(task), .call = task}); }

void Mirror::put(Note note) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  const std::size_t bytes = note.bytes();
  if (waiting_.size() >= limits_.count_max || waiting_bytes_ + bytes > limits_.bytes_max) {
    return drop(1, "too many wait to be written");
  }
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(note));
  changed_.notify_one();
}

void Mirror::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(stopping_, true)) stop_until_ = clock_.now() + stop_time;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::uint64_t Mirror::dropped_count() const {
  const std::lock_guard lock(mutex_);
  return dropped_count_;
}

Mirror::Notes Mirror::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
  Notes notes;
  std::size_t bytes = 0;
  while (!waiting_.empty() && notes.size() < batch_count_max && bytes < batch_bytes_max) {
    const std::size_t size = waiting_.front().bytes();
    bytes += size;
    waiting_bytes_ -= size;
    notes.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return notes;
}

// What fails is tried again, as a whole, until the server ends: all of it may be written twice.
void Mirror::run() {
  for (Notes notes = take(); !notes.empty(); notes = take()) {
    auto written = write(notes);
    while (!written && written.error().code == Code::unavailable && may_try_again()) written = write(notes);
    const std::lock_guard lock(mutex_);
    if (!written) drop(notes.size(), written.error().message);
    if (written && written->lost_count > 0) drop(written->lost_count, written->why_lost);
    if (!stopping_ || clock_.now() < stop_until_) continue;
    if (!waiting_.empty()) drop(waiting_.size(), "the server ends");
    return;
  }
}

bool Mirror::may_try_again() {
  std::unique_lock lock(mutex_);
  if (stopping_) return false;
  changed_.wait_for(lock, rest, [this] { return stopping_; });
  return true;
}

void Mirror::drop(std::size_t count, std::string_view why) {
  dropped_count_ += count;
  const Time now = clock_.now();
  if (told_count_ > 0 && now < told_ + told_period) return;
  told_ = now;
  log::warn("{} changes of functions and tasks were not copied to Redis for those who read them there: {}",
            dropped_count_ - std::exchange(told_count_, dropped_count_), why);
}

void Mirror::Commands::lose_one(std::string why) {
  if (lost_count++ == 0) why_lost = std::move(why);
}

// Redis refuses what is for a key that something else has, and all of it where it is full.
//   unavailable  Redis is away
Result<Mirror::Commands> Mirror::write(const Notes& notes) {
  Commands commands;
  std::set<CallId> ended;
  for (const Note& note : notes) {
    if (note.kind == Note::Kind::ended) ended.insert(note.call);
  }
  for (const Note& note : notes) {
    const bool is_over = note.kind == Note::Kind::begun && ended.contains(note.call);
    if (!is_over) add(note, commands.list);
    commands.end_note();
  }
  CANOPY_TRY_VOID(add_ends(notes, commands));
  if (commands.list.empty()) return commands;
  CANOPY_TRY(const auto replies, link_.run(commands.list));
  auto from = replies.begin();
  for (const std::size_t end : commands.ends) {
    const auto to = replies.begin() + static_cast<std::ptrdiff_t>(end);
    const auto refused = std::find_if(from, to, std::mem_fn(&store::RedisReply::is_error));
    if (refused != to) commands.lose_one("Redis says: " + refused->text);
    from = to;
  }
  return commands;
}

void Mirror::expire(const std::string& key, std::vector<store::RedisCommand>& commands) const {
  commands.push_back({"EXPIRE", key, kept_seconds_});
}

// A task that was told may have begun, or ended, before this is written: that stays.
void Mirror::add(const Note& note, std::vector<store::RedisCommand>& commands) const {
  switch (note.kind) {
    case Note::Kind::function: {
      const std::string key = function_key(to_text(note.id));
      commands.push_back({"HSET", key, "name", note.first, "payload", note.second});
      return expire(key, commands);
    }
    case Note::Kind::task: {
      const std::string key = task_key(note.id);
      commands.push_back({"HSET", key, "function_id", note.first, "param_payload", note.second});
      commands.push_back({"HSETNX", key, "status", "QUEUED"});
      commands.push_back({"HSETNX", key, "result", ""});
      expire(key, commands);
      expire(function_key(note.first), commands);
      return commands.push_back({"PUBLISH", channel, task_message(note.id)});
    }
    case Note::Kind::begun: {
      const std::string key = task_key(note.id);
      commands.push_back({"HSET", key, "status", "RUNNING"});
      return expire(key, commands);
    }
    case Note::Kind::ended:
      return;
  }
}

Result<void> Mirror::add_ends(const Notes& notes, Commands& commands) {
  std::vector<const Note*> ended;
  std::vector<store::RedisCommand> asking;
  for (const Note& note : notes) {
    if (note.kind != Note::Kind::ended) continue;
    ended.push_back(&note);
    asking.push_back({"HGET", task_key(note.id), "status"});
  }
  if (ended.empty()) return {};
  CANOPY_TRY(const auto known, link_.run(asking));
  for (std::size_t i = 0; i < ended.size(); ++i) {
    const std::string& status = known.at(i).text;
    if (!status.empty() && status != "QUEUED" && status != "RUNNING" && !known.at(i).is_error()) continue;
    auto end = find_end_(ended[i]->call);
    if (!end && end.error().code == Code::unavailable) return tl::unexpected(std::move(end).error());
    if (!end) commands.lose_one(std::move(end).error().message);
    if (!end || !*end) continue;
    const std::string key = task_key(ended[i]->id);
    commands.list.push_back(
        {"HSET", key, "status", std::move((*end)->status), "result", std::move((*end)->result)});
    expire(key, commands.list);
    commands.end_note();
  }
  return {};
}

}  // namespace canopy::builders
