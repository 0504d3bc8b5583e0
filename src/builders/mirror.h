#pragma once
// What FaaS Builders kept in Redis, for programs that look there, written beside what is true:
//
//   function:<id>  name, payload
//   task:<id>      function_id, param_payload, status, result
//   Tasks          a channel, where each new task is told
//
// A copy, as good as it gets: nobody waits for it, and what cannot be written in time is dropped and counted.
// All of it goes when results do, or so long after its last use.
//
// Threads: all methods from any, and quick; a thread of its own asks Redis.
// Life:    what `find_end` refers to outlives it.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "builders/uuid.h"
#include "store/redis_link.h"

namespace canopy::builders {

// What is published of a new task: what dill makes of {"task_id": "<id>"}, in base64.
std::string task_message(const Uuid& task);

class Mirror {
 public:
  struct End {
    std::string status;
    std::string result;
  };
  // Of a task that has ended; nothing where it is not there, or has not. Blocks.
  using FindEnd = std::function<Result<std::optional<End>>(CallId task)>;

  struct Limits {
    std::size_t count_max = 100'000;  // What waits to be written, and its bytes.
    std::size_t bytes_max = 64 * MiB;
  };

  Mirror(store::RedisAddress address, Duration kept, FindEnd find_end, const Clock& clock, Limits limits);
  ~Mirror() { stop(); }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  void add_function(const Uuid& id, std::string name, std::string payload);
  void add_task(CallId task, const Uuid& function, std::string payload);
  void begun(CallId task);
  void ended(CallId task);

  // Writes what waits, if Redis answers; then no more. Blocks, for seconds at most.
  void stop();

  std::uint64_t dropped_count() const;

 private:
  struct Note {
    enum class Kind : std::uint8_t { function, task, begun, ended };
    Kind kind = Kind::function;
    Uuid id;               // Of the function or the task.
    CallId call{};         // Of the task.
    std::string first{};   // A function's name; a task's function.
    std::string second{};  // The payload.
    std::size_t bytes() const { return sizeof(Note) + first.size() + second.size(); }
  };
  using Notes = std::vector<Note>;
  // What notes come to, and how many of them will never be written, with the reason of the first.
  struct Commands {
    std::vector<store::RedisCommand> list;
    std::vector<std::size_t> ends;  // Of each note in `list`: where the next one's begin.
    std::size_t lost_count = 0;
    std::string why_lost;

    void end_note() { ends.push_back(list.size()); }
    void lose_one(std::string why);
  };

  void put(Note note);
  void run();
  Notes take();
  // What it could not write for good is counted in the result.
  Result<Commands> write(const Notes& notes);
  // Where the hash does not say so already: another server may have been faster.
  Result<void> add_ends(const Notes& notes, Commands& commands);
  void add(const Note& note, std::vector<store::RedisCommand>& commands) const;
  void expire(const std::string& key, std::vector<store::RedisCommand>& commands) const;
  bool may_try_again();                                // After a rest; false where the server ends.
  void drop(std::size_t count, std::string_view why);  // With mutex_ held.

  const Clock& clock_;
  const std::string kept_seconds_;
  const FindEnd find_end_;
  const Limits limits_;
  store::RedisLink link_;  // The thread's.

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Note> waiting_;  // This and what follows: guarded by mutex_.
  std::size_t waiting_bytes_ = 0;
  std::uint64_t dropped_count_ = 0;
  std::uint64_t told_count_ = 0;  // Of those dropped, in the log.
  Time told_{};
  bool stopping_ = false;
  Time stop_until_{};

  std::jthread thread_;
};

}  // namespace canopy::builders
