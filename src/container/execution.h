#pragma once
// One call of a container function: of one whose container is a server (of HTTP, or of gRPC as HyperFaaS has
// it), or of one whose container is a command that runs for this call alone.
//
// Threads: one core's.

#include <cstdint>
#include <memory>

#include "container/grpc_links.h"
#include "container/pool.h"
#include "exec/core.h"
#include "exec/runtime.h"

namespace canopy::container {

std::unique_ptr<exec::Instance> make_http_execution(std::shared_ptr<Pool> pool, exec::Core& core);
// Who is asked, and how.
enum class GrpcService : std::uint8_t {
  function,    // function.FunctionService, of the container itself.
  controller,  // controller.Controller, of a worker of HyperFaaS that has it.
};

// With / as its path, the input is the data of a function.FunctionService/Call, as is the output. With
// another one, of a container itself, it is a whole body of gRPC for the method of that path; so is the
// output, and what follows it in gRPC stands among the headers of the reply (wire::grpc_trailer_mark).
std::unique_ptr<exec::Instance> make_grpc_execution(std::shared_ptr<Pool> pool, exec::Core& core,
                                                    std::shared_ptr<GrpcLinks> links, GrpcService service);
std::unique_ptr<exec::Instance> make_command_execution(std::shared_ptr<Pool> pool, exec::Core& core);

}  // namespace canopy::container
