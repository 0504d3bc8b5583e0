#pragma once
// What a container image in one tar file says of itself. Three layouts are read: what `docker save` writes,
// the OCI image layout, and a plain root file system without any description.
//
// Threads: any.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace canopy::wire {

struct ImageLayer {
  std::uint64_t at = 0;  // Where it begins in the archive.
  std::uint64_t size_bytes = 0;
  bool compressed = false;  // With gzip.
};

struct Image {
  std::vector<ImageLayer> layers;    // Lowest first.
  std::vector<std::string> command;  // What it starts; empty where it does not say.
  std::vector<std::string> env;      // "NAME=value"
  std::string folder;                // That it starts in; "" is the top.
  std::string user;                  // "name", "7", "7:8"; "" where it does not say.
};

inline constexpr std::size_t image_layers_max = 128;

// Reads the description in `archive`; the layers themselves are not looked at.
//   refused  no tar archive, or one whose description is none; several images; one for another system or
//            another kind of machine
Result<Image> read_image(std::string_view archive);

// An image with one program and nothing else, as `docker load` takes it.
struct NewImage {
  std::string name;     // "hello"; it is tagged "latest".
  std::string program;  // Its bytes; it lies at /function.
  std::vector<std::string> env;
};
std::string write_image(const NewImage& image);

// "amd64", "arm64": of this machine, in the words of images.
std::string_view image_architecture();

}  // namespace canopy::wire
