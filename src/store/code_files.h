#pragma once
// Code by digest, one read-only file each: code/ab/<sha256>. A file is written beside, synced, and only then
// given its name, so what can be found is whole.
//
// Threads: all methods, any thread; they block.

#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "store/disk.h"

namespace canopy::store {

class CodeFiles {
 public:
  // `folder` is code/ itself. Touches nothing yet.
  CodeFiles(Folder folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {}

  // Whether any code, or a trace of some, lies here.
  Result<bool> empty() const;

  // Deletes what a crash left half written. For the time before the first put().
  Result<void> clear_leftovers() const;

  // Stores `code`, synced; returns its digest. A second time only looks whether it is intact, and makes it
  // young for sweep(); if it is damaged, it is written anew.
  //   unavailable  the disk is full or read-only; nothing is left behind
  Result<std::string> put(std::string_view code);

  // Does not read it.
  //   not_found  it was never stored
  Result<std::filesystem::path> path(std::string_view digest) const;

  // Deletes each file older than `age` of which `keep` says no. Returns bytes freed.
  Result<std::uint64_t> sweep(Duration age, const std::function<bool(const std::string& digest)>& keep);

 private:
  Result<bool> renew(const std::string& digest, std::string_view code);
  Result<std::uint64_t> sweep_part(const Folder& part, WallTime before,
                                   const std::function<bool(const std::string& digest)>& keep);

  const Folder folder_;
  const Clock& clock_;
  std::mutex age_mutex_;  // Between making a file young and deleting it because it is old.
};

}  // namespace canopy::store
