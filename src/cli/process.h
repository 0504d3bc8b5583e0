#pragma once
// Other programs: compilers, and copies of our own. What they write is kept, up to a bound.
//
// Threads: any; all blocks.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "cli/environment.h"

namespace canopy::cli {

struct ProcessRequest {
  std::vector<std::string> arguments = {};  // The program first: a path, or a name that PATH finds.
  std::filesystem::path folder = {};        // Where it runs; "" for here.
  std::vector<std::string> variables = {};  // "NAME=value", before what the environment says.
  Duration timeout = std::chrono::minutes(30);
};

struct ProcessEnd {
  int status = 0;   // 128 and the signal's number where one ended it.
  std::string out;  // At most process_output_max of each.
  std::string err;
};

inline constexpr std::size_t process_output_max = 16 * MiB;

// Runs it to its end, with nothing to read.
//   not_found    no such program
//   deadline     it took longer than the timeout, and was ended
//   unavailable  no process could be made
Result<ProcessEnd> run_process(const ProcessRequest& request, const Environment& environment);

// A program that runs beside us, on our standard output and error, until the object goes: then it is told to
// end, and waited for.
class Companion {
 public:
  static Result<Companion> start(const ProcessRequest& request, const Environment& environment);
  ~Companion();
  Companion(Companion&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Companion& operator=(Companion&&) = delete;

  // Whether it still runs.
  bool is_alive();

 private:
  explicit Companion(pid_t id) : id_(id) {}
  pid_t id_;
};

// The file that `name` starts; nothing where PATH has none.
std::optional<std::filesystem::path> find_program(std::string_view name, const Environment& environment);

}  // namespace canopy::cli
