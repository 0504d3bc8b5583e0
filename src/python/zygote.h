#pragma once
// The server's side of one warmed process: it is started, says that it has imported the function, and forks a
// process for each call that is begun.
//
//   start() ─▶ starting ─▶ ready ─ begin() ─▶ begun … ended
//                 └─ failed       └─ lost: it ended, and all its calls with it
//
// What comes from it is written by strangers; the worst it can do is end its own calls.
//
// Threads: its core's, but for the pool's work.
// Life:    the core and the pool outlive it; kept by who uses it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "exec/core.h"
#include "model/function.h"
#include "net/blocking_pool.h"
#include "net/descriptor_stream.h"
#include "python/child.h"
#include "python/memory_groups.h"
#include "python/undertaker.h"
#include "wire/python_frames.h"

namespace canopy::python {

using Stream = net::DescriptorStream;

// What a call is told of its process.
class Guest {
 public:
  virtual ~Guest() = default;
  // It runs; `process` is what it is ended with.
  virtual void on_begun(Descriptor process) = 0;
  // It and all that it started are gone.
  virtual void on_ended(const wire::PythonPacket& packet) = 0;
  // The same, but that nobody knows how.
  virtual void on_lost(const Error& error) = 0;
};

struct SetupOptions {
  std::uint64_t processes = 1;  // And threads, of one call.
  bool network = false;
  bool keeps = false;  // Its processes serve more than one call.
};

// What its calls may use, as the process is told it.
std::string setup_packet(const Function& function, const SetupOptions& options);

class Zygote final : public std::enable_shared_from_this<Zygote> {
 public:
  Zygote(exec::Core& core, net::BlockingPool& disk, std::shared_ptr<Undertaker> undertaker,
         std::shared_ptr<MemoryGroups> groups, Function function);
  ~Zygote();
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  // Once. Whoever waits is told when it is ready, or why it never will be.
  //   function_failed  the function cannot be imported; with the traceback
  //   unavailable      it cannot be started here
  void start(LaunchPlan plan, std::string setup);
  // Calls `done` soon, or at once.
  void when_ready(std::function<void()> done);
  bool is_ready() const { return state_ == State::ready; }
  // Why it is not and never will be.
  const std::optional<Error>& error() const { return error_; }

  // Has a process forked for `guest`, which hears of it until forget(): with these ends of its connections,
  // which stay the caller's. When ready.
  std::uint64_t begin(Guest& guest, int call, int log);
  void forget(std::uint64_t number);
  // Has all that a call's process holds bounded, together with what it will start; then calls `done`, soon or
  // at once: with nothing where there are no groups of memory.
  //   unavailable  too much other work waits
  void bound(const Descriptor& process, std::function<void(Result<std::shared_ptr<MemoryGroup>>)> done);

  // Ends it, and all its calls.
  void end(const Error& why);
  // The same, once nothing of it runs: from any thread, when nobody begins calls on it any more.
  void end_soon();

  const Function& function() const { return function_; }
  std::size_t running_count() const { return guests_.size(); }
  std::uint64_t resident_bytes() const { return resident_bytes_; }
  Time used() const { return used_; }

 private:
  enum class State : std::uint8_t { starting, ready, ended };

  struct Sent {
    std::string packet;
    Descriptor call;
    Descriptor log;
  };

  void adopt(Result<Launched> launched, const std::string& setup);
  void read();
  // False when there is nothing more to read now.
  bool read_one();
  void end_if_idle();
  void take(const wire::PythonPacket& packet, Descriptor process);
  void write();
  void tell_waiters();
  void bury();

  exec::Core& core_;
  net::BlockingPool& disk_;
  const std::shared_ptr<Undertaker> undertaker_;
  const std::shared_ptr<MemoryGroups> groups_;
  const Function function_;
  State state_ = State::starting;
  std::optional<Error> error_;
  Stream control_;
  pid_t process_ = 0;
  std::shared_ptr<MemoryGroup> memory_;
  std::uint64_t memory_bytes_max_ = 0;
  std::uint64_t resident_bytes_ = 0;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Guest*> guests_;
  std::vector<std::function<void()>> waiters_;
  std::vector<Sent> unsent_;
  Time used_{};
  bool retired_ = false;
};

}  // namespace canopy::python
