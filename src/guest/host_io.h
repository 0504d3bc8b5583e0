#pragma once
// The machine's answers in the guest's terms, and its standard streams as nodes. For `canopy run` only, as
// host_folder.h.

#include <memory>

#include <sys/types.h>

#include "guest/vfs.h"

namespace canopy::guest {

Errno errno_of(int error);
Filetype host_type(mode_t mode);
Io<Stat> host_stat(int descriptor);
Io<void> host_set_times(int descriptor, const Times& times);

// The process's own standard stream 0, 1 or 2. Reads block.
std::unique_ptr<Node> open_host_stream(int descriptor);

}  // namespace canopy::guest
