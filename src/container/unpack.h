#pragma once
// The layers of an image as one folder: a root file system.
//
// What is in them was written by strangers. Nothing is written outside of the folder, whatever links they
// lay; there are no devices; and how much they may become is bounded, however small they are while
// compressed.
//
// Threads: any; blocks on the disk.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <stop_token>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "wire/image.h"

namespace canopy::container {

struct UnpackLimits {
  std::uint64_t bytes_max = 2 * GiB;        // Of all files, also of those that a later layer removes.
  std::uint64_t entries_max = 200'000;      // Folders that only paths name among them.
  std::uint64_t name_bytes_max = 64 * MiB;  // Of all paths in one layer: they are held in memory.
  std::uint64_t said_bytes = std::numeric_limits<std::uint64_t>::max();  // As unpacked_bytes() says of it.
  std::uint64_t free_bytes_min = 256 * MiB;  // That the disk has still, for all that others write.
  Duration time_max = std::chrono::minutes(5);
  std::stop_token stop = {};  // Looked at between pieces.
};

// Lays the layers of `image`, which are in `archive`, into `root`, an empty folder that is there.
//   refused      a layer is no tar archive, or holds what an image may not have
//   too_large    they are more than the limits allow
//   limit        it took longer than the limits allow
//   unavailable  the disk does not take it; or it was told to stop
Result<void> unpack(std::string_view archive, const wire::Image& image, const std::filesystem::path& root,
                    const UnpackLimits& limits);

// How many bytes the layers are when they are unpacked, as they say themselves.
std::uint64_t unpacked_bytes(std::string_view archive, const wire::Image& image);

}  // namespace canopy::container
