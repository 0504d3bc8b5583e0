#pragma once
// One process of a function, forked from its warmed process: the connections to it, and its end.
//
//   fork() ─▶ waits ─ call() ─▶ answers ─▶ waits … ended
//                └──────── spoke out of turn, was killed, ended by itself
//
// It runs one call at a time, for its user. What it prints while it has none goes nowhere; if it answers
// then, it is killed. What comes from it is written by strangers.
//
// Threads: its core's.
// Life:    the core outlives it. Dies with who has it, and the process with it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"
#include "exec/core.h"
#include "python/memory_groups.h"
#include "python/zygote.h"
#include "wire/python_frames.h"

namespace canopy::python {

// What is said of one call of a process that goes on.
struct Spent {
  Duration cpu_time{};             // Of its own threads, since the call before.
  std::uint64_t memory_bytes = 0;  // That it holds now.
};

class Process final : public Guest, public std::enable_shared_from_this<Process> {
 public:
  class User {
   public:
    virtual ~User() = default;
    // Its answer, with all that it had printed before; or why there will be none that makes sense.
    virtual void on_answer(Result<wire::PythonAnswer> answer) = 0;
    virtual void on_log(std::string_view piece) = 0;
    // It and all that it started are gone: ended() or lost() says how.
    virtual void on_gone() = 0;
  };

  // Has one forked; it may be called at once.
  //   unavailable  no descriptor is left
  static Result<std::shared_ptr<Process>> fork(exec::Core& core, std::shared_ptr<Zygote> zygote);

  Process(exec::Core& core, std::shared_ptr<Zygote> zygote);
  ~Process() override;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Gives it a call: `head` as wire/python_frames.h writes it. `input` lives until leave().
  void call(User& user, std::string head, std::string_view input, std::uint64_t output_bytes_max);
  // The user hears no more of it.
  void leave();

  // Whether it has answered all that it was asked, is alive as far as is known, and may be called again.
  bool is_reusable() const;
  std::uint64_t call_count() const { return call_count_; }
  Spent spent();

  // It does not run until the next call.
  void pause();
  // With all that it started: it is the first process of its namespace.
  void kill();

  // Once it is gone, one of them. Its CPU time is that since the last spent().
  const std::optional<wire::PythonPacket>& ended() const { return ended_; }
  const std::optional<Error>& lost() const { return lost_; }
  // Whether the kernel has ended a process of it for lack of memory.
  bool is_exhausted() const { return memory_ != nullptr && memory_->is_exhausted(); }

  void on_begun(Descriptor process) override;
  void on_ended(const wire::PythonPacket& packet) override;
  void on_lost(const Error& error) override;

 private:
  enum class Progress : std::uint8_t { more, wait, end };
  struct Channels;

  Result<void> start();
  void write();
  void wait_for_answer();
  void wait_for_log();
  Progress read_some();
  Progress read_log();
  void read_rest_of_log();
  void take_answer(Result<wire::PythonAnswer> answer);
  template <class Next>
  void wait(Stream& stream, Stream::wait_type what, Next next);
  void signal(int number);
  void go_on(Result<std::shared_ptr<MemoryGroup>> group);
  bool is_gone() const { return ended_ || lost_; }

  exec::Core& core_;
  const std::shared_ptr<Zygote> zygote_;
  const std::shared_ptr<Channels> channels_;
  std::uint64_t number_ = 0;
  Descriptor handle_;  // A pidfd, once it is known.
  std::shared_ptr<MemoryGroup> memory_;
  bool is_bounded_ = false;  // By that, where there are groups; before then it is told nothing.
  User* user_ = nullptr;
  std::string head_;
  std::string_view input_;
  std::size_t written_ = 0;
  std::optional<wire::PythonAnswerReader> reader_;  // While an answer is waited for.
  std::uint64_t call_count_ = 0;
  Duration spent_{};
  bool paused_ = false;
  bool killed_ = false;
  bool broken_ = false;  // Nothing that it says is believed any more.
  std::optional<wire::PythonPacket> ended_;
  std::optional<Error> lost_;
};

}  // namespace canopy::python
