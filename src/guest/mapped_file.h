#pragma once
// The content of a stored file, mapped read-only, shared by every call that reads it.
//
// Threads: immutable. A file that is cut short while it is mapped ends the process: map only what nobody
// changes, such as code and files stored under their digest.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace canopy::guest {

class MappedFile {
 public:
  MappedFile(const void* data, std::size_t size) : data_(data), size_(size) {}
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Reads all of it from the disk now, rather than when it is used.
  void populate() const;

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  const void* data_;
  std::size_t size_;
};

// not_found, unavailable: it cannot be opened or mapped. An empty file is fine.
Result<std::shared_ptr<const MappedFile>> map_file(const std::filesystem::path& path);

// Finds the content of a digest. Any thread; may touch the disk.
using FileLoader = std::function<Result<std::shared_ptr<const MappedFile>>(std::string_view digest)>;

// Maps what `find` names, each digest once for as long as anybody uses it.
FileLoader make_file_loader(std::function<Result<std::filesystem::path>(std::string_view digest)> find);

}  // namespace canopy::guest
