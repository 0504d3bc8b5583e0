#pragma once
// What was made of code and can be made again: compiled/<engine>/<key>.cwasm, with its plan and whatever else
// begins with that name.
//
// Threads: all methods, any thread; all but path() block on the disk.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::wasm {

class CompiledFiles {
 public:
  explicit CompiledFiles(std::filesystem::path folder);

  std::filesystem::path path(const std::string& key) const;

  // What is there of `key` will be used: from now on it is young for sweep(). False where there is nothing.
  bool renew(const std::string& key);

  // Deletes what nobody asked for within `age` and `keep` says no of, and all that was made by other engines.
  // Returns bytes freed. A crash in between leaves what the next one deletes.
  //   unavailable  the folder cannot be read, or something in it not be deleted
  Result<std::uint64_t> sweep(Duration age, const std::function<bool(const std::string& key)>& keep);

 private:
  Result<std::uint64_t> sweep_own(Duration age, const std::function<bool(const std::string& key)>& keep);

  const std::filesystem::path folder_;
  std::mutex age_mutex_;  // Between making a file young and deleting it because it is old.
};

}  // namespace canopy::wasm
