#pragma once
// What the calls of a function see alike and read-only: the function's own files at /<path>, a few small
// files under /etc, and the place of /tmp. Made once per version, shared by its calls.
//
//   /etc/hosts        127.0.0.1 localhost
//   /etc/passwd       root and nobody
//   /etc/resolv.conf  no name server: there is no network
//   /tmp              an empty folder here; tree.h puts the call's own in its place
//
// A function's own file wins over one of ours under /etc. What it has under /tmp cannot be seen.
//
// Threads: any; the content of a file is loaded when it is first read.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/inode.h"
#include "guest/mapped_file.h"
#include "model/function.h"

namespace canopy::guest {

class FileImage {
 public:
  // Paths in `function.files` that are not in normal form, or clash, are left out.
  FileImage(const Function& function, FileLoader loader);
  ~FileImage();
  FileImage(const FileImage&) = delete;
  FileImage& operator=(const FileImage&) = delete;

  Inode& root() const;
  Inode& tmp() const;

 private:
  class ImageNode;

  ImageNode* folder(ImageNode& in, std::string_view name);
  ImageNode* add(std::string_view path, std::uint64_t size);
  void add_fixed(std::string_view path, std::string_view content);
  void number();

  const FileLoader loader_;
  const std::uint64_t time_;
  std::unique_ptr<ImageNode> root_;
  ImageNode* tmp_ = nullptr;
};

// The images of the functions that were called lately.
class ImageCache {
 public:
  explicit ImageCache(FileLoader loader) : loader_(std::move(loader)) {}

  std::shared_ptr<const FileImage> image_of(const Function& function);

 private:
  static constexpr std::size_t kept_max = 512;
  struct Key {
    FunctionName name;
    std::uint32_t version = 0;
    WallTime created{};
    auto operator<=>(const Key&) const = default;
  };
  struct Kept {
    std::shared_ptr<const FileImage> image;
    std::uint64_t used = 0;
  };

  const FileLoader loader_;
  std::mutex mutex_;
  std::map<Key, Kept> kept_;
  std::uint64_t clock_ = 0;
};

}  // namespace canopy::guest
