#include "store/secret_key.h"

#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/disk.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_size_max = 256;

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

Result<std::optional<crypto::BoxKey>> SecretKeyFile::read() const {
  struct stat about{};
  if (stat(path_.c_str(), &about) != 0) return std::optional<crypto::BoxKey>();
  // Root may let a group of its choice read it: so Kubernetes gives secrets to who is not root.
  const mode_t closed = about.st_uid == 0 && geteuid() != 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((about.st_mode & closed) != 0) {
    return fail(Code::refused, "others may read " + path_.string() +
                                   ", which holds the key of all secrets; chmod 600 it, then start again");
  }
  CANOPY_TRY(const Folder folder, Folder::open_or_make(folder_of(path_)));
  CANOPY_TRY(const auto text, folder.read(path_.filename().string(), file_size_max));
  if (!text) return std::optional<crypto::BoxKey>();
  const std::string digits = text->substr(0, text->find_last_not_of(" \t\r\n") + 1);
  const auto key = crypto::parse_box_key(digits);
  if (!key) {
    return fail(Code::refused,
                path_.string() + " holds no key, which is 64 hexadecimal digits; restore it from a backup");
  }
  return key;
}

Result<crypto::BoxKey> SecretKeyFile::get_existing() {
  if (key_) return *key_;
  CANOPY_TRY(key_, read());
  if (key_) return *key_;
  return fail(Code::refused, "the key that secrets were sealed with is not at " + path_.string() +
                                 "; restore it from a backup, or name its file with --secret-key-file");
}

std::string SecretKeyFile::missing() const {
  return "there is no key to seal secrets with at " + path_.string() +
         "; make one, (umask 077; openssl rand -hex 32 >" + path_.string() +
         "), the same for all servers of a store, and name its file with --secret-key-file";
}

Result<void> SecretKeyFile::look() {
  CANOPY_TRY(key_, read());
  if (!key_) log::warn("{}; until then no secret can be set", missing());
  return {};
}

Result<crypto::BoxKey> SecretKeyFile::get() {
  if (key_) return *key_;
  CANOPY_TRY(key_, read());
  if (key_) return *key_;
  if (!may_make_) return fail(Code::refused, missing());
  const crypto::BoxKey fresh = crypto::make_box_key();
  CANOPY_TRY(const Folder folder, Folder::open_or_make(folder_of(path_)));
  // Under its name only when it is whole: a key that is lost takes what it sealed with it.
  CANOPY_TRY_VOID(folder.replace(path_.filename().string(), crypto::to_hex(fresh) + "\n"));
  key_ = fresh;
  return fresh;
}

}  // namespace canopy::store
