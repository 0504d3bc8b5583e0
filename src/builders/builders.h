#pragma once
// The API of FaaS Builders, and of the course that it comes from (docs/builders.md).
//
//   function  a function of runtime python whose code is what dill made of it, named by its id
//   task      a durable call, whose input and output are texts in base64 as the client gave and gets them
//
// Nothing here makes an object of what a client sent: that happens in the function's own processes, behind
// their walls (src/python/serialised.py).
//
// Who may: by default whoever may use the server's own API, with the same keys; or everybody, where the
// operator says so.

#include <memory>

#include "api/protocol.h"
#include "options/options.h"

namespace canopy::builders {

// Null where the options say that it is not served.
std::unique_ptr<api::Protocol> make_protocol(const Options& options);

}  // namespace canopy::builders
