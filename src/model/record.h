#pragma once
// What is kept of a call after its instance is gone.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"
#include "model/call.h"

namespace canopy {

enum class State { queued, running, completed, failed, canceled };

std::string_view name(State state);  // "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"

struct Record {
  CallId id;
  FunctionName function;
  std::uint64_t owner = 0;  // The user whose function it was; 0 for nobody's.
  std::uint32_t version = 0;
  State state = State::queued;
  WallTime queued{};
  WallTime started{};
  WallTime ended{};
  std::uint32_t attempt = 1;
  int status = 0;  // What the client was answered.
  int exit_code = 0;
  Usage usage;
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::string log;
  std::uint64_t log_dropped_bytes = 0;
  std::optional<Error> error;
  std::string trace;  // The traceparent it came with; "" for none.
};

}  // namespace canopy
