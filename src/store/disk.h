#pragma once
// Files and folders by descriptor: all that the store does to a disk by itself. Every error names the file
// and says what to do. Below a Folder no symbolic link is followed; what is made is for its owner alone.
//
// Threads: a Folder's methods may be called from any thread. All block.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"

namespace canopy::store {

// "cannot write /data/format: No space left on device; free some space there". Code: unavailable.
Error disk_error(std::string_view attempt, const std::filesystem::path& path, int error_number);

//   unavailable  it is a folder, a device, a pipe, ...
Result<void> check_plain_file(const Descriptor& file, const std::filesystem::path& path);

struct FileFacts {
  bool plain = false;  // A regular file: neither folder, link nor device.
  std::uint64_t size_bytes = 0;
  WallTime changed{};
};

class Folder {
 public:
  // `path` itself may be a symbolic link; it is made, with its parents, if it is missing.
  //   unavailable  it is no folder, or may not be made or entered
  static Result<Folder> open_or_make(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }  // Absolute, without links.
  int descriptor() const { return descriptor_.get(); }

  // For what need not outlive the process: from now on this folder, and children opened later, wait for no
  // disk.
  void do_not_sync() { syncs_ = false; }

  enum class Missing { fails, make };
  //   not_found    it is missing and shall not be made
  //   unavailable  it is no folder (a link is none), or may not be made or entered
  Result<Folder> child(const std::string& name, Missing missing) const;

  // Nothing where there is no such entry.
  Result<std::optional<FileFacts>> look(const std::string& name) const;

  // The content of a small file; nothing where it is missing.
  //   too_large    it is longer than size_max
  Result<std::optional<std::string>> read(const std::string& name, std::size_t size_max) const;

  // The first bytes of a file that is there; fewer where it is shorter.
  Result<std::string> read_head(const std::string& name, std::size_t size) const;

  // A file that must not be there yet, synced. On an error nothing is left of it.
  struct NewFile {
    std::string_view content;
    unsigned mode = 0600;
    std::optional<WallTime> changed;  // Its time of change; now if not given.
  };
  Result<void> write_new(const std::string& name, const NewFile& file) const;

  // Moves a file of this folder over `to_name` of `to`, at once; then syncs `to`.
  Result<void> move(const std::string& name, const Folder& to, const std::string& to_name) const;

  // Puts `content` in place of what `name` held: after a crash there is the old or the new, whole.
  Result<void> replace(const std::string& name, std::string_view content) const;

  // Gives a file another time of change.
  Result<void> set_changed(const std::string& name, WallTime time) const;

  // Deletes a file; one that is missing is no error.
  Result<void> remove(const std::string& name) const;

  // All entries, in no order, without "." and "..".
  Result<std::vector<std::string>> names() const;

  // Brings the content of a file that somebody else wrote to the disk.
  Result<void> sync_content(const std::string& name) const;

  // Brings renames, new and deleted entries to the disk.
  Result<void> sync() const;

 private:
  Folder(Descriptor descriptor, std::filesystem::path path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}
  Result<void> bring_to_disk(const Descriptor& file, const std::filesystem::path& path) const;

  // A plain file for reading; nothing where it is missing.
  Result<std::optional<Descriptor>> open_plain(const std::string& name) const;

  Descriptor descriptor_;
  std::filesystem::path path_;
  bool syncs_ = true;
};

// SHA-256 of a file, read in pieces: it need not fit in memory. Blocks. Follows no symbolic link as its last
// part.
//   not_found    no such file
//   unavailable  it is no plain file, or cannot be read
Result<std::string> sha256_hex_of_file(const std::filesystem::path& path);

}  // namespace canopy::store
