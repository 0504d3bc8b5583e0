#pragma once
// Where a container says that it is ready: worker.Worker/SignalReady, by gRPC, on a port of its own loopback.
// Nobody else can come there, so that whatever it says its name is, it is this container; that the call came
// is all there is to know.
//
// Threads: one core's.

#include <functional>
#include <memory>

#include "base/descriptor.h"
#include "exec/core.h"
#include "net/http_server.h"

namespace canopy::container {

class ReadySignal {
 public:
  // Serves on `listener`; `on_ready` is called with each such call, of which there may be many.
  //   unavailable
  static Result<std::unique_ptr<ReadySignal>> open(exec::Core& core, Descriptor listener,
                                                   std::function<void()> on_ready);

 private:
  explicit ReadySignal(std::unique_ptr<net::HttpServer> server) : server_(std::move(server)) {}

  const std::unique_ptr<net::HttpServer> server_;
};

}  // namespace canopy::container
