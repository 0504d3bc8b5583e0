#pragma once
// Bytes out of gzip, as they are asked for.
//
// Threads: each reader one.

#include "base/error.h"
#include "wire/tar.h"

namespace canopy::container {

// What `source` holds, unpacked; members that follow each other count as one.
//   refused  it is no gzip, or broken
wire::ReadBytes gunzip(wire::ReadBytes source);

}  // namespace canopy::container
