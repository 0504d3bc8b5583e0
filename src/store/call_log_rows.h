#pragma once
// The rows of the call log: bytes <-> nouns. Each row ends in a seal, a checksum over its kind, its number
// and its content; a row of which one bit is wrong, or that stands in the place of another, is not read.
//
// Each kind has a version. Rows of earlier ones are read as they are: they are not rewritten.
//
// Threads: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/durable.h"
#include "policy/retry.h"

namespace canopy::store {

// Where an input or output lies.
struct Body {
  std::uint64_t size_bytes = 0;
  std::uint32_t checksum = 0;
  std::string file;  // "": in the row beside.
};

// A call as it is kept, without its input.
struct CallHead {
  std::uint64_t token = 0;  // The half of its id that is not its number.
  DurableCall call;
  Body input;
};

// How far a call has come that was run before and waits again.
struct Progress {
  std::uint32_t attempt = 0;  // The last one's number.
  policy::Tries tries;
  WallTime due{};
  std::vector<Attempt> attempts;
};

// How a call ended.
struct Ending {
  State state = State::completed;
  Outcome outcome;  // Without output and log.
  WallTime expires{};
  Body output;
  Body log;
};

inline constexpr std::size_t kept_attempts_max = 100;

std::string encode_head(std::uint64_t number, const CallHead& head);
std::string encode_progress(std::uint64_t number, const Progress& progress);
// A call that has ended is one row, with all of it.
std::string encode_ended(std::uint64_t number, const CallHead& head, const Progress& progress,
                         const Ending& ending);
std::string encode_callback(std::uint64_t number, const CallbackState& state, WallTime first_due);

struct EndedRow {
  CallHead head;
  Progress progress;
  Ending ending;
};

struct CallbackRow {
  CallbackState state;
  WallTime first_due{};
};

// All: `internal` where the row is damaged; the message names it.
Result<CallHead> decode_head(std::uint64_t number, std::string_view row);
Result<Progress> decode_progress(std::uint64_t number, std::string_view row);
Result<EndedRow> decode_ended(std::uint64_t number, std::string_view row);
Result<CallbackRow> decode_callback(std::uint64_t number, std::string_view row);

// Whether `bytes` are what `body` says.
Result<void> check_body(std::uint64_t number, const Body& body, std::string_view bytes);
Body body_of(std::string_view bytes);

}  // namespace canopy::store
