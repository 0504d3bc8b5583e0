#pragma once
// The bodies of frames as nouns: what a node tells another of functions, calls and itself.
//
// Reading takes apart what came from elsewhere: anything that is not a body of its kind is `invalid`.
//
// Threads: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "model/call.h"
#include "model/function.h"

namespace canopy::wire {

// What a worker is to be.
struct WorkerSetup {
  std::uint32_t worker = 0;         // Which of its parent's.
  std::string data;                 // The folder, absolute.
  std::uint64_t instances_max = 1;  // At once.
  std::uint32_t slots = 1;          // Calls at once on each connection.
  Duration slice{};
  std::uint64_t templates_bytes_max = 0;
  bool fetch_private = false;
  std::string log_level = "info";
};

struct Hello {
  std::uint32_t version = 0;  // frame_version
  std::uint32_t credit = 0;   // Calls at once on this connection.
  std::uint64_t process = 0;  // Its id.
};

// What one worker has to do.
struct WorkerLoad {
  std::uint32_t running_count = 0;
  std::uint64_t resident_bytes = 0;   // Of the process.
  std::uint64_t templates_bytes = 0;  // Of loaded modules.
  Duration cpu_time{};                // Of the process, since its start.
};

// A call as it came in a frame; owns what it says.
struct OpenedCall {
  CallId id;
  std::uint32_t function = 0;
  std::uint32_t attempt = 1;
  Duration waited{};             // Since it came in.
  std::optional<Duration> left;  // To its deadline.
  Duration latest{};             // To Call::deadline_latest; 0 for none.
  std::string method;
  std::string path;
  std::string query;
  std::vector<Header> headers;
  std::string input;              // As much as came with it.
  std::uint64_t input_bytes = 0;  // Of all of it; at least what came.
};

inline constexpr std::size_t piece_bytes_max = 64 << 10;  // Of an input or output in one frame.

// Whether a call that a worker runs can end with it. What is about a client and its key is decided before a
// call goes to a worker.
bool is_of_a_run(Code code);

// Each appends to `out`, which is cleared first.
void write_setup(const WorkerSetup& setup, std::string& out);
void write_hello(const Hello& hello, std::string& out);
void write_function(const Function& function, std::string& out);
// With the first piece of its input.
void write_open(const Call& call, std::uint32_t function, Time now, std::string& out);
// With `piece`, the last of its output.
void write_end(const Reply& reply, std::string_view piece, std::uint64_t log_dropped_bytes, std::string& out);
void write_load(const WorkerLoad& load, std::string& out);

Result<WorkerSetup> read_setup(std::string_view body);
Result<Hello> read_hello(std::string_view body);
Result<Function> read_function(std::string_view body);
Result<OpenedCall> read_open(std::string_view body);
// Into `reply`, behind the output that is there already; returns how many bytes the log dropped. What the
// function said itself (status, headers) is as it said it; nobody has looked at it. An error is one of a run.
Result<std::uint64_t> read_end(std::string_view body, Reply& reply);
Result<WorkerLoad> read_load(std::string_view body);

}  // namespace canopy::wire
