#pragma once
// One line on the terminal that says what takes so long: "compiling hello.cc… 3 s". It shows after a second,
// and is gone when the object goes. Where standard error is no terminal it is never there.
//
// Threads: draws on one of its own. Nobody else writes to the terminal's err() while it lives.

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "cli/terminal.h"

namespace canopy::cli {

class Progress {
 public:
  Progress(Terminal& terminal, std::string what, Duration delay = std::chrono::seconds(1));
  ~Progress() { stop(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Takes the line away; for who wants to write before the object goes.
  void stop();

 private:
  void draw(const std::stop_token& stopped);

  Terminal& terminal_;
  const std::string what_;
  const Duration delay_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // The last: it uses all of the above.
};

}  // namespace canopy::cli
