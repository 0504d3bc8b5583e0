#pragma once
// Files and folders as verbs use them: whole, bounded, with errors that say which.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/units.h"
#include "cli/environment.h"

namespace canopy::cli {

// The whole content; "-" is standard input.
//   not_found    there is no such file
//   invalid      it is a folder
//   too_large    it is longer than bytes_max
//   unavailable  it cannot be read
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t bytes_max = GiB);

// Whole or not at all: who reads it sees the old content or the new. Makes the folders above it.
//   unavailable  it cannot be written
Result<void> write_file(const std::filesystem::path& path, std::string_view content);

// A folder of our own that goes with the object. It is locked while its process lives; the next one to make
// such a folder removes those whose process was ended before it could.
class TempFolder {
 public:
  //   unavailable
  static Result<TempFolder> make(const Environment& environment);
  ~TempFolder();
  TempFolder(TempFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  TempFolder& operator=(TempFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  TempFolder(std::filesystem::path path, Descriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  Descriptor lock_;
};

}  // namespace canopy::cli
