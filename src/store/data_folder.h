#pragma once
// The data folder of one running Canopy: made if missing, locked against a second, with the number of its
// format. What lies where in it, catalog.h says.
//
// Threads: any; the methods block.
// Life:    the lock is held until the object goes, or the process ends, however it ends.

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "store/disk.h"

namespace canopy::store {

// 0: before there was a `format` file. 1: with function files, and a limit for each thing a call uses.
// 2: with users.
inline constexpr int format_newest = 2;

class DataFolder {
 public:
  //   conflict     another process has it open; the message names its process id
  //   unavailable  missing rights, read-only, full disk
  static Result<DataFolder> open(const std::filesystem::path& path);

  const Folder& folder() const { return folder_; }

  // What the file `format` says; nothing where there is none.
  //   refused  it holds no number, or one above format_newest
  Result<std::optional<int>> format() const;
  // Writes it, unless it says so already.
  Result<void> set_format(int number) const;

 private:
  DataFolder(Folder folder, Descriptor lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}

  Folder folder_;
  Descriptor lock_;
};

// The number in the text of a format file: digits, and white space after them. Nothing for anything else.
std::optional<int> parse_format(std::string_view text);

}  // namespace canopy::store
