#pragma once
// Folders that are made once, each under a name, and come and go as a whole: nobody sees one that is half
// made, or half deleted, whoever makes or deletes it meanwhile.
//
//   <folder>/<name>/…           what begin() and finish() have made of it
//   <folder>/<name>/ready       written last; its time says when somebody asked for it
//   <folder>/<name>-….new       what is being made or deleted, and what a server left that ended meanwhile
//
// Threads: any, also of several processes; blocks on the disk.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace canopy {

class WholeFolders {
 public:
  explicit WholeFolders(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path path(const std::string& name) const { return folder_ / name; }

  // Whether `name` is there; it is young then.
  bool renew(const std::string& name) const;

  // A new folder, empty, to make `name` in.
  //   unavailable
  Result<std::filesystem::path> begin(const std::string& name) const;
  // All is in `made`: it is `name` from now on. Where somebody else was faster with the same, that stays,
  // since it may be in use, and `made` goes.
  //   unavailable
  Result<void> finish(const std::filesystem::path& made, const std::string& name) const;

  // Deletes all but `names`, what is in use and what is younger than `age`; how many bytes. `on_drop` hears
  // of each that goes, while it is still there.
  //   unavailable
  using InUse = std::function<bool(const std::string& name)>;
  using OnDrop = std::function<void(const std::string& name)>;
  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age, const InUse& in_use,
                              const OnDrop& on_drop = nullptr) const;

 private:
  std::filesystem::path aside(const std::string& name) const;

  const std::filesystem::path folder_;
};

}  // namespace canopy
