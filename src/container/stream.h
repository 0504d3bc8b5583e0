#pragma once
// Waiting for what a container's engine has as a number: for its output, for its end.
//
// Threads: each stream one.

#include "net/descriptor_stream.h"

namespace canopy::container {

// Has `stream` wait for what `number`, which stays its owner's, stands for: with a number of its own. False
// where none is left.
bool open_stream(net::DescriptorStream& stream, int number);

void close_stream(net::DescriptorStream& stream);

// Whether nothing will come of it any more. Who waits for it all the same waits no moment: it is always
// ready.
bool is_spent(net::DescriptorStream& stream);

}  // namespace canopy::container
