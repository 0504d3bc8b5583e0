#pragma once
// How much lies on the disk, and how old it is.
//
// Threads: any; blocks on the disk.

#include <cstdint>
#include <filesystem>

#include "base/clock.h"

namespace canopy {

// Of a file, or of all files below a folder; links count nothing. What is not there is 0.
std::uint64_t disk_bytes(const std::filesystem::path& path);

// Whether it was written, or touched, within `age`. What is not there is not young.
bool is_young(const std::filesystem::path& path, Duration age);

}  // namespace canopy
