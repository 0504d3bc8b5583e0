#pragma once
// A descriptor of a process, as pidfd_open(2) gives it.
//
// Threads: any.

#include <sys/types.h>

#include "base/descriptor.h"

namespace canopy {

// The process as this one numbers it; 0 where it has been waited for, or `handle` is no such descriptor. It
// may be gone, and its number another's, by the time that this is used: look again after that.
pid_t process_of(const Descriptor& handle);

}  // namespace canopy
