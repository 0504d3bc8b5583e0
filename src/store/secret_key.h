#pragma once
// The key that secrets are sealed under: 64 hexadecimal digits in a file of its own, for its owner alone.
//
// Threads: one at a time; the methods block.

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "crypto/box.h"

namespace canopy::store {

class SecretKeyFile {
 public:
  // `may_make`: a file that is missing is made when a key is first wanted.
  SecretKeyFile(std::filesystem::path path, bool may_make) : path_(std::move(path)), may_make_(may_make) {}

  // Reads it, once.
  //   refused      it holds no key, others may read it, or it is missing and may not be made
  //   unavailable  missing rights, full disk
  Result<crypto::BoxKey> get();
  // The same, of the key that secrets are sealed with already: never makes it.
  Result<crypto::BoxKey> get_existing();
  // Reads it now, so that what is wrong with it shows before it is wanted; that it is missing is only logged.
  //   refused, unavailable  as get()
  Result<void> look();

  const std::filesystem::path& path() const { return path_; }

 private:
  Result<std::optional<crypto::BoxKey>> read() const;
  std::string missing() const;

  const std::filesystem::path path_;
  const bool may_make_;
  std::optional<crypto::BoxKey> key_;
};

}  // namespace canopy::store
