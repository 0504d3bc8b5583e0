#pragma once
// A durable call: one that was acknowledged only when it was on disk, and that runs until it has an end.
//
//   QUEUED ─▶ RUNNING ─▶ COMPLETED | FAILED | CANCELLED
//      ▲─────────┘  a failed attempt that may be tried again; a worker that was lost
//
// Plain data. What is kept of one is in store/call_log.h.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "model/call.h"
#include "model/function.h"
#include "model/record.h"

namespace canopy {

// What is asked. It does not change once it was acknowledged.
struct DurableCall {
  CallId id;          // Given by the log.
  std::string owner;  // The user whose function it is, as a number; "" for nobody's.
  // How many of the owner's may wait; nothing: as many as of anybody. Not kept.
  std::optional<std::uint64_t> owner_waiting_max = {};
  FunctionName function;
  std::string method = "POST";
  std::string path = "/";
  std::string query;
  std::vector<Header> headers;
  std::string input;
  std::string trace;                       // A traceparent, or "".
  Duration timeout{};                      // Of one attempt; zero: as long as the function may.
  std::uint32_t retries_max = 0;           // How often a failed attempt is tried again.
  std::string callback_url;                // "" for none.
  std::string idempotency_key;             // "" for none.
  Duration keep = std::chrono::hours(24);  // How long its record and result are kept after its end.
  WallTime queued{};
  WallTime deadline{};  // Of the whole call, all attempts and the waiting between them; the epoch: none.
};

// One run of a durable call.
struct Attempt {
  std::uint32_t number = 1;
  WallTime started{};
  WallTime ended{};
  std::optional<Error> error;
};

// How one attempt ended. With an error it may be tried again; without, the call is completed.
struct Outcome {
  std::uint32_t version = 0;  // Of the function.
  WallTime started{};
  WallTime ended{};
  int status = 0;
  int exit_code = 0;
  std::vector<Header> headers;  // Of the reply.
  std::string output;           // With an error: what was raised, as in Reply.
  std::string log;
  std::uint64_t log_dropped_bytes = 0;
  Usage usage;
  std::optional<Error> error;
  bool lost = false;  // Its worker ended under it, says the error: that is no failure of the function's.
};

// What has become of a call's callback.
struct CallbackState {
  enum class Kind : std::uint8_t { none, waiting, delivered, given_up };
  Kind kind = Kind::none;
  std::uint32_t attempts = 0;
  WallTime due{};     // When it is sent next, while it waits.
  int status = 0;     // The last answer; 0 for none.
  std::string error;  // Why the last attempt failed; "" where it did not.
};

// What is known of a durable call, without its input, output and log.
struct DurableRecord {
  Record record;
  std::string owner;
  std::uint64_t log_bytes = 0;  // Its log is not in `record`.
  std::uint32_t retries_max = 0;
  std::vector<Attempt> attempts;  // Those that ended, the oldest first.
  WallTime due{};                 // QUEUED: not before this; the epoch: at once.
  WallTime deadline{};
  WallTime expires{};  // When it is forgotten; the epoch while it has not ended.
  std::string idempotency_key;
  std::string callback_url;
  CallbackState callback;
};

std::string_view name(CallbackState::Kind kind);  // "none", "waiting", "delivered", "failed"

}  // namespace canopy
