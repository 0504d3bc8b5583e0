#pragma once
// What is made of a version when it is deployed: a folder with its source, its files and its packages.
//
//   <folder>/<name>/function/handler.py, …     seen by its calls at /function
//   <folder>/<name>/site/…                     what requirements.txt asks for, at /site
//   <folder>/<name>/ready                      written last: the rest is whole
//
// Threads: any; blocks on the disk, and for as long as the installer takes.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "base/whole_folders.h"
#include "model/function.h"
#include "python/interpreter.h"

namespace canopy::python {

using FindCode = std::function<Result<std::filesystem::path>(std::string_view digest)>;

struct InstallOptions {
  Duration timeout = std::chrono::minutes(5);
  std::uint64_t memory_bytes = 2 * GiB;
  std::uint64_t processes = 64;
};

class Folders {
 public:
  Folders(std::filesystem::path folder, FindCode find_code)
      : folders_(std::move(folder)), find_code_(std::move(find_code)) {}

  // renew(), finish() and sweep() are these folders' own.
  const WholeFolders& whole() const { return folders_; }
  std::filesystem::path path(const std::string& name) const { return folders_.path(name); }

  // Lays out what is to be the folder of `function`, once it is finished.
  //   unavailable  its code is lost, or the disk is full
  Result<std::filesystem::path> lay_out(const Function& function, const std::string& name) const;

 private:
  const WholeFolders folders_;
  const FindCode find_code_;
};

// Has what `made`/function/requirements.txt asks for installed into `made`/site.
//   refused      it asks for more than packages by their names (wire/requirements.h); or why it cannot be
//                had, in the installer's own words
//   limit        it took too long
//   unavailable  it cannot be run here; or `stop` was requested, which is looked at twice a second
Result<void> install(const Interpreter& interpreter, const std::filesystem::path& made,
                     const InstallOptions& options, const std::stop_token& stop);

}  // namespace canopy::python
