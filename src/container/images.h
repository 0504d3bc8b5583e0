#pragma once
// What is made of a version when it is deployed: its root file system, which all its containers share.
//
//   <folder>/<name>/root/…      as the image's layers make it
//
// Threads: any; blocks on the disk.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/whole_folders.h"
#include "container/unpack.h"
#include "model/function.h"
#include "wire/image.h"

namespace canopy::container {

using FindCode = std::function<Result<std::filesystem::path>(std::string_view digest)>;

// Who a container runs as.
struct UserIds {
  std::uint32_t user = 65534;
  std::uint32_t group = 65534;
};

// `text` as images have it: "", "name", "7", "7:8", "name:group", looked up in the image's own files. Nobody,
// for root: it would be that of the machine.
//   refused  the image knows no such user
Result<UserIds> find_user(const std::filesystem::path& root, std::string_view text);

class Images {
 public:
  Images(std::filesystem::path folder, FindCode find_code, UnpackLimits limits)
      : folders_(std::move(folder)), find_code_(std::move(find_code)), limits_(std::move(limits)) {}

  // renew() and sweep() are these folders' own.
  const WholeFolders& whole() const { return folders_; }
  std::filesystem::path root(const std::string& name) const { return folders_.path(name) / "root"; }

  // What the code of `function` says of itself.
  //   refused, unavailable
  Result<wire::Image> describe(const Function& function) const;

  // Unpacks it as `name`.
  //   refused, too_large, unavailable
  Result<void> make(const Function& function, const std::string& name) const;

 private:
  const WholeFolders folders_;
  const FindCode find_code_;
  const UnpackLimits limits_;
};

}  // namespace canopy::container
