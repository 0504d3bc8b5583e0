#pragma once
// Which calls are told of, by which ids, and what a call that has ended looks like in a trace:
//
//   demo/hello         the call, or an attempt of a durable one; its parent is whoever asked for it
//   ├─ queue           from its arrival until it was taken; of a durable one, its wait in the log too
//   ├─ hop             the way to another process or node and back, in one piece; only where there was one
//   ├─ start           what it needs was made or loaded; only where it had to wait for that
//   └─ run             from its first instruction; what the function sees in `traceparent` is this one
//
// They follow each other without a gap: each begins where the one before it ends.
// Ids are made of the call's own, so nothing has to be remembered while it runs.
//
// Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.h"
#include "wire/otlp.h"

namespace canopy::trace {

// What is kept of a call until it is told: no log and no output.
struct EndedCall {
  CallId id;
  FunctionName function;
  std::uint32_t version = 0;
  std::uint32_t attempt = 1;
  bool durable = false;
  WallTime queued{};
  WallTime started{};
  WallTime ended{};
  int status = 0;
  Usage usage;
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  bool failed = false;
  std::string code;     // Of the error.
  std::string message;  // The beginning of it.
  std::string parent;   // The traceparent that it came with; "" for none.
  std::string node;     // That it ran on, where it did not in this process and it is known; else "".
};

EndedCall ended_call(const Record& record, std::string_view node, bool durable);

// Whether a call is told of: as its traceparent says, or one in `every` of those that have none.
bool is_sampled(CallId id, std::string_view parent, std::uint64_t every);

// The traceparent that the function is given: of the same trace, beneath its `run`.
std::string run_context(CallId id, std::uint32_t attempt, std::string_view parent);

std::vector<wire::Span> spans_of(const EndedCall& call);

}  // namespace canopy::trace
