#pragma once
// Has the interpreter of JavaScript made ready before the first call needs it: it takes seconds, once for a
// data folder and version. So a server that finds functions in JavaScript in its catalog, at its start or
// because another server deployed the first of them, makes one of them ready in the background, as a call
// would; with it comes what all of them share.
//
// Threads: its core's, but for the constructor and the destructor.
// Life:    empty of work once the core has stopped; what it asked for may end later.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "api/alarm.h"
#include "api/platform.h"

namespace canopy::api {

class InterpreterMaker {
 public:
  InterpreterMaker(Platform& platform, exec::Core& core) : platform_(platform), alarm_(core) {}

  // Looks at the catalog now and whenever it has changed, until the interpreter was made once.
  void look();

 private:
  Platform& platform_;
  Alarm alarm_;
  std::optional<std::uint64_t> seen_;  // The version of the catalog.
  const std::shared_ptr<std::atomic<bool>> made_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace canopy::api
