#pragma once
// SIGINT and SIGTERM as something to wait for. Make it before any thread starts: threads inherit that those
// signals are held back.
//
// Threads: one object in a program; its methods on one thread.

namespace canopy::cli {

class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Blocks until the first; returns its number.
  int wait();
  // Readable once one has come: for poll().
  int descriptor() const { return descriptor_; }
  // From now on the next one ends the program at once.
  void quit_at_next();

 private:
  int descriptor_;
};

}  // namespace canopy::cli
