#pragma once
// A folder of its own under the system's temporary one, deleted with all it holds when the object goes.

#include <filesystem>
#include <utility>

#include "base/error.h"

namespace canopy::store {

class TempFolder {
 public:
  //   unavailable  the temporary folder is full or may not be written
  static Result<TempFolder> make();
  static Result<TempFolder> make_in(const std::filesystem::path& parent);
  ~TempFolder();
  TempFolder(TempFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempFolder& operator=(TempFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;  // Empty once moved from.
};

}  // namespace canopy::store
