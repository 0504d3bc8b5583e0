#pragma once
// Code that a worker has been sent, by digest: code/ab/<sha256>. It is only a cache: what is not there, or
// was damaged, is asked for again. What was used longest ago goes first where it grows too large.
//
// Threads: all methods, any thread; they block on the disk.

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::balance {

class CodeCache {
 public:
  // `folder` is made where it is missing.
  CodeCache(std::filesystem::path folder, std::uint64_t bytes_max);

  // Whether it is there, and whole; it counts as used now. Reads all of it the first time.
  bool has(const std::string& digest);

  // Keeps it, and lets go of others for it.
  //   invalid      it is not what the digest says
  //   limit        it is larger than the whole cache
  //   unavailable  the disk is full or read-only
  Result<void> put(const std::string& digest, std::string_view code);

  // Where it lies.
  //   not_found  it is not there
  Result<std::filesystem::path> path(std::string_view digest) const;

  std::uint64_t bytes_max() const { return bytes_max_; }

 private:
  std::filesystem::path place_of(std::string_view digest) const;
  void make_room(std::uint64_t bytes);

  const std::filesystem::path folder_;
  const std::uint64_t bytes_max_;
  std::mutex mutex_;
  std::set<std::string> whole_;  // Those that were seen to be. Guarded by mutex_.
};

}  // namespace canopy::balance
