#pragma once
// A folder of the machine as a guest's folder, for `canopy run` and conformance suites. Never for the server:
// it blocks, and it shows the guest real files, with the rights of whoever runs it.
//
// The kernel itself keeps every path inside (openat2 with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS), so a
// link that changes under our feet leads nowhere either.

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "guest/vfs.h"

namespace canopy::guest {

//   not_found, invalid  it is not there, or not a folder
//   unavailable         it cannot be opened, or the kernel is older than 5.6
Result<std::unique_ptr<Node>> open_host_folder(const std::filesystem::path& path);

}  // namespace canopy::guest
