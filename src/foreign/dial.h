#pragma once
// Connections to workers of HyperFaaS.

#include <string>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "foreign/remote_worker.h"
#include "net/blocking_pool.h"

namespace canopy::foreign {

// Dials on `pool`, which outlives what is under way, and hands what it has to `core`.
Dial make_dial(exec::Core& core, net::BlockingPool& pool);

// To where `connection` goes, once more, without waiting for it: what is sent meanwhile goes out when it is
// there, and where it cannot be had it is found closed.
//   unavailable
Result<Descriptor> connect_again(int connection);

}  // namespace canopy::foreign
