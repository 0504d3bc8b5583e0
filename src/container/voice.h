#pragma once
// What a container prints, and who hears it: the call that began last of those it has; while it has none, the
// next one does. So what its start says is in the log of its first call.
//
// Threads: any; what a call is told is told on its core.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "container/engine.h"
#include "exec/core.h"
#include "model/call.h"

namespace canopy::container {

// A call that hears a container.
struct Ear {
  Ear(exec::Core& core, CallLog* log) : core(core), log(log) {}

  exec::Core& core;
  CallLog* log;  // Its core's; null once the call has ended.
  // Guarded by the voice's mutex, as are the rest: what it is still to be told, in order.
  std::vector<std::pair<CallLog::Stream, std::string>> inbox;
  std::size_t inbox_bytes = 0;
  std::uint64_t dropped_bytes = 0;
  bool is_told = false;
};

class Voice {
 public:
  // From now on `ear` hears it.
  void attach(std::shared_ptr<Ear> ear);
  // Reads what is there now, tells `ear` all it is to hear, and nothing from then on. On its core.
  void detach(const std::shared_ptr<Ear>& ear, Started& started);

  // Reads what is there now.
  Progress read(Started& started);

  // The end of all that it printed, without what a terminal obeys.
  std::string last_words() const;

 private:
  void take(bool is_error, std::string_view bytes);
  void flush(Ear& ear);

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Ear>> ears_;  // Guarded by it, as are the rest.
  std::string unheard_;
  std::string last_;
};

}  // namespace canopy::container
