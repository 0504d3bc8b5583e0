#pragma once
// A pipe's end or a socket that this process made or was given, watched by the loop of a core: wait until it
// can be read or written, and then do it by hand.
//
// Threads: its loop's.

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "net/task.h"

namespace canopy::net {

using DescriptorStream = asio::posix::basic_stream_descriptor<Executor>;

}  // namespace canopy::net
