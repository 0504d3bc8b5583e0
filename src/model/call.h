#pragma once
// One run of a function: what goes in, what comes out, what it used. Plain data.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "model/function.h"

namespace canopy {

struct Header {
  std::string name;
  std::string value;
};

struct HeaderView {
  std::string_view name;
  std::string_view value;
};

// What a call writes to its log: bounded, with a count of what did not fit.
//
// Threads: one at a time, the core that runs the call.
class CallLog {
 public:
  enum class Stream { out, err };

  explicit CallLog(std::uint64_t size_max) : size_max_(size_max) {}

  // Keeps what fits; counts the rest.
  void write(Stream stream, std::string_view bytes);
  // So much was left out by who had it before.
  void add_dropped(std::uint64_t bytes) { dropped_bytes_ += bytes; }

  const std::string& text() const { return text_; }
  std::string take_text() { return std::move(text_); }
  std::uint64_t dropped_bytes() const { return dropped_bytes_; }

  // Called with each piece as it is written, for those who follow live; empty for nobody.
  std::function<void(std::string_view)> on_write;

 private:
  std::uint64_t size_max_;
  std::string text_;
  std::uint64_t dropped_bytes_ = 0;
};

// The views belong to whoever makes the call, and live until its reply is there.
struct Call {
  // It has waited until now, and may now begin: for whatever comes next.
  void put_off_deadline(Time now) {
    if (deadline < deadline_latest) {
      deadline = std::min(deadline_latest, deadline + (now - std::max(queued, put_off_until)));
    }
    put_off_until = now;
  }

  CallId id;
  const Function* function = nullptr;
  Time queued{};          // When it came in.
  Time deadline = never;  // Absolute; the whole call, from queue to reply.
  // Of a durable call, whose time is its function's alone: whoever has it wait before it begins puts the
  // deadline off by that, up to this. Where it is earlier, the deadline stays.
  Time deadline_latest{};
  Time put_off_until{};  // What was waited until then it is put off by already; never before `queued`.
  std::uint32_t attempt = 1;
  std::string_view method = "POST";
  std::string_view path = "/";  // What follows /function/{ns}/{fn}; begins with '/'.
  std::string_view query;       // Without the '?'.
  std::vector<HeaderView> headers;
  std::string_view input;
  CallLog* log = nullptr;
};

// Its time is, one after the other: queue, hop, start, run. Together they are all of it.
struct Usage {
  // What it waited beside the rest: for its turn, and a place.
  Duration queue_time() const {
    return std::max(wait_time - hop_time.value_or(Duration::zero()) - start_time, Duration::zero());
  }
  // It was made ready for so long, which is a part of the wait.
  void add_start(Duration time) {
    cold = true;
    start_time = std::min(start_time + time, wait_time - hop_time.value_or(Duration::zero()));
  }

  Duration wait_time{};  // From the arrival to the first instruction: queue, hop and start.
  // Of it, what making or loading took, where the first instruction had to wait for that; 0: it had not.
  Duration start_time{};
  // Of it, the way to another process or node, and back; nothing where it ran in this one.
  std::optional<Duration> hop_time = {};
  Duration run_time{};             // From the first instruction to the reply.
  Duration cpu_time{};             // Of it, on a core.
  std::uint64_t memory_bytes = 0;  // The most linear memory it had.
  bool cold = false;               // Its module had to be loaded first.
};

struct Reply {
  // It failed before its first instruction, and nobody has said how long it had waited.
  bool is_unmeasured() const {
    return error && error->stage != Stage::run && usage.wait_time == Duration::zero();
  }

  int status = 200;  // The function's own, 200 to 599.
  std::vector<Header> headers;
  std::string output;
  int exit_code = 0;
  Usage usage;
  std::optional<Error> error;  // Set where the call failed; status and output are then not the client's.
  // Of one that failed by what its function raised: that, as its language serialises it; "" where it does
  // not.
  std::string raised;
  // Of a call that failed because of what was to run it:
  bool lost = false;      // It ended under the call, and nobody knows how far that came.
  bool unbegun = false;   // There was nobody to begin it; it may be given to somebody else, or later.
  std::string node = {};  // Which one it ran on, "leaf-1/worker-2"; "": in this process, or not known.
};

}  // namespace canopy
