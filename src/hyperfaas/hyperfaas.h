#pragma once
// The protocols of HyperFaaS (docs/hyperfaas.md), in both of its dialects.
//
//   function  created from the tag of an image, and called by its id: a copy of the function that the tag
//             stands for (image.h), with limits of its own (registration.h)
//   leaf      where clients come: gRPC, on the port of everything else and on others
//   database  what a worker of HyperFaaS asks about functions: HTTP, on a port of its own
//
// Who may: as builders.h says.

#include <memory>
#include <vector>

#include "api/protocol.h"
#include "options/options.h"

namespace canopy::hyperfaas {

// None where the options say that it is not served.
std::vector<std::unique_ptr<api::Protocol>> make_protocols(const Options& options);

}  // namespace canopy::hyperfaas
