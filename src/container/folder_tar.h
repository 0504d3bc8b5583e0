#pragma once
// A folder as a tar archive, made piece by piece, so that it need not fit into memory.
//
// Threads: one; blocks on the disk.

#include <filesystem>
#include <string>

#include "base/descriptor.h"
#include "base/error.h"

namespace canopy::container {

class FolderTar {
 public:
  //   unavailable  it cannot be read
  static Result<FolderTar> open(const std::filesystem::path& folder);

  // The next piece; "" at the end.
  //   unavailable
  Result<std::string> next();

 private:
  explicit FolderTar(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Result<std::string> next_entry();

  std::filesystem::path folder_;
  std::filesystem::recursive_directory_iterator at_;
  Descriptor file_;         // The one whose content comes now.
  std::uint64_t left_ = 0;  // Of it.
  std::uint64_t size_bytes_ = 0;
  bool has_begun_ = false;
  bool has_ended_ = false;
};

}  // namespace canopy::container
