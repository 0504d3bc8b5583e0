#pragma once
// Starts worker processes and hears of their end.
//
// Threads: all methods on one thread, which lives as long as the workers: the kernel ends them with it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"
#include "exec/core.h"
#include "net/frame_channel.h"

namespace canopy::worker {

struct Launched {
  pid_t process = 0;
  std::unique_ptr<net::FrameLink> control;
  // By core: makes the line to it, once, on its thread.
  std::vector<std::function<std::unique_ptr<net::FrameLink>()>> lines;
};

class Launcher {
 public:
  virtual ~Launcher() = default;

  // `own` is the loop of this thread.
  //   unavailable  no process can be made, or no connection to it
  virtual Result<Launched> launch(exec::Core& own, const std::vector<exec::Core*>& cores) = 0;
  // Ends it at once.
  virtual void kill(pid_t process) = 0;
  // How it ended, "was ended by signal 9 (SIGKILL)"; nothing as long as it has not. Does not wait, unless
  // that is asked.
  virtual std::optional<std::string> reap(pid_t process, bool wait) = 0;
};

// Processes of this program: worker_child() is their whole life.
std::unique_ptr<Launcher> make_process_launcher();

}  // namespace canopy::worker
