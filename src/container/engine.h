#pragma once
// What starts containers on this machine, and ends them: runc, or Docker.
//
//   add_image(name, root)         once per version
//   start(plan) ─▶ Started        runs, or has ended already
//     connect(port)               into its network, which nobody else reaches
//     stop(grace)                 asks it, then kills it
//     take_end() … remove()       how it ended; nothing of it is left then
//
// Threads: an engine's methods, any; they block for milliseconds to seconds. Of a Started, what is said
// there.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"

namespace canopy::container {

struct Plan {
  std::string id;              // Nobody else's on this machine.
  std::string image;           // As add_image() was told.
  std::filesystem::path root;  // Its root file system, which it sees read-only.
  std::vector<std::string> command;
  std::vector<std::string> env;  // "NAME=value"
  std::string folder = "/";
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t tmp_bytes = 0;
  std::uint32_t open_files = 0;
  std::uint32_t processes = 0;
  Duration cpu_period{};
  Duration cpu_quota{};    // Of each period, on all cores together.
  bool has_input = false;  // Else its standard input is empty.
};

struct End {
  int status = 0;  // As of waitpid().
  bool out_of_memory = false;
};

enum class Progress : std::uint8_t { more, wait, end };

// A container that was started.
//
// Threads: connect() and listen() any, at once. Its input and outputs have one user at a time, its end and
// stop() one, and
//          these may be at it at once; remove() any, once, with nobody else but who connects or reads.
class Started {
 public:
  virtual ~Started() = default;

  // Its first process, as this machine sees it.
  virtual pid_t process() const = 0;

  // A connection that is there. Never blocks.
  //   unavailable  nobody listens
  //   exhausted    its server has as many connections that it has not taken yet as may be; try again
  virtual Result<Descriptor> connect(std::uint16_t port) const = 0;

  // A socket that listens on `port` of its loopback: where it calls us. Never blocks.
  //   unavailable  something listens there already, or it has no loopback of its own
  virtual Result<Descriptor> listen(std::uint16_t /*port*/) const {
    return fail(Code::unavailable, "it has no loopback of its own");
  }

  // Nothing where it has none.
  virtual Descriptor take_input() = 0;
  // Nothing more is written to it, and the descriptor is closed.
  virtual void end_input() {}

  // Which can be read when it has printed something, or will not any more; one or two. Before anything is
  // read.
  virtual std::vector<int> outputs() const = 0;
  // Hands over what it printed, as far as that is there now. Never blocks.
  using OnOutput = std::function<void(bool is_error, std::string_view bytes)>;
  virtual Progress read_output(const OnOutput& on_output) = 0;

  // Can be read when take_end() has something new to say.
  virtual int end_descriptor() const = 0;
  // How it ended, once it has; said once. Blocks for a second at most, where the engine has to be asked why.
  virtual std::optional<End> take_end() = 0;

  // Asks it to end, and has it killed after `grace`, or at once. Never blocks.
  virtual void stop(Duration grace) = 0;

  // Kills it if it lives, and waits until nothing of it is left. Blocks.
  virtual void remove() = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual std::string_view name() const = 0;

  // Whether containers can be started here.
  //   unavailable  what is missing, and how to get it
  virtual Result<void> check() = 0;

  // Makes the image `name` of `root`, where it is not there yet.
  //   unavailable
  virtual Result<void> add_image(const std::string& name, const std::filesystem::path& root) = 0;
  // Forgets it.
  virtual void drop_image(const std::string& name) = 0;

  //   refused      its command cannot be started: it is not there, or is no program
  //   unavailable  the engine does not do it; in its own words
  virtual Result<std::unique_ptr<Started>> start(const Plan& plan) = 0;

  // Ends and removes all containers that an earlier server on the same data left behind; how many.
  //   unavailable
  virtual Result<std::size_t> remove_orphans() = 0;
};

}  // namespace canopy::container
