#include "store/code_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/id.h"
#include "base/sha256.h"
#include "base/units.h"

namespace canopy::store {
namespace {

constexpr std::string_view fresh_prefix = "new-";

std::string part_name(std::string_view digest) { return std::string(digest.substr(0, 2)); }

std::string fresh_name() {
  CallId random;
  fill_random(&random, sizeof random);
  return std::string(fresh_prefix) + to_text(random);
}

bool is_part_name(const std::string& name) { return name.size() == 2 && is_hex(name); }

// Whether the file holds exactly `code`. One that cannot be read is not intact.
bool is_intact(const Descriptor& file, std::string_view code) {
  std::vector<char> piece(std::min<std::size_t>(code.size() + 1, 256 * KiB));
  for (;;) {
    const ssize_t got = read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return code.empty();
    const auto size = static_cast<std::size_t>(got);
    if (size > code.size() || std::memcmp(piece.data(), code.data(), size) != 0) return false;
    code.remove_prefix(size);
  }
}

}  // namespace

Result<bool> CodeFiles::empty() const {
  CANOPY_TRY(const std::vector<std::string> names, folder_.names());
  for (const std::string& name : names) {
    if (!is_part_name(name)) return false;
    CANOPY_TRY(const Folder part, folder_.child(name, Folder::Missing::fails));
    CANOPY_TRY(const std::vector<std::string> files, part.names());
    if (!files.empty()) return false;
  }
  return true;
}

Result<void> CodeFiles::clear_leftovers() const {
  CANOPY_TRY(const std::vector<std::string> names, folder_.names());
  for (const std::string& name : names) {
    if (name.starts_with(fresh_prefix)) CANOPY_TRY_VOID(folder_.remove(name));
  }
  return {};
}

Result<std::string> CodeFiles::put(std::string_view code) {
  std::string digest = sha256_hex(code);
  CANOPY_TRY(const bool renewed, renew(digest, code));
  if (renewed) return digest;
  CANOPY_TRY(const Folder part, folder_.child(part_name(digest), Folder::Missing::make));
  const std::string fresh = fresh_name();
  CANOPY_TRY_VOID(folder_.write_new(fresh, {.content = code, .mode = 0400, .changed = clock_.wall_now()}));
  const std::lock_guard lock(age_mutex_);  // sweep() may just have found a damaged one of this name too old.
  const Result<void> moved = folder_.move(fresh, part, digest);
  if (!moved) {
    // If it had its name already, the next put() of it finds it, or sweep() ends it.
    if (const auto removed = folder_.remove(fresh); !removed) return tl::unexpected(removed.error());
    return tl::unexpected(moved.error());
  }
  return digest;
}

// True if the code is there, whole, and young again. False: write it.
Result<bool> CodeFiles::renew(const std::string& digest, std::string_view code) {
  const auto part = folder_.child(part_name(digest), Folder::Missing::fails);
  if (!part && part.error().code == Code::not_found) return false;
  if (!part) return tl::unexpected(part.error());
  const Descriptor file(
      openat(part->descriptor(), digest.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file || !check_plain_file(file, part->path() / digest) || !is_intact(file, code)) return false;

  const std::lock_guard lock(age_mutex_);
  CANOPY_TRY(const std::optional<FileFacts> facts, part->look(digest));
  if (!facts || !facts->plain) return false;  // sweep() was faster.
  CANOPY_TRY_VOID(part->set_changed(digest, clock_.wall_now()));
  return true;
}

Result<std::filesystem::path> CodeFiles::path(std::string_view digest) const {
  if (!is_sha256_hex(digest)) {
    return fail(Code::not_found,
                "there is no code of that digest: it is not 64 lower-case hexadecimal digits");
  }
  const std::string name(digest);
  const auto part = folder_.child(part_name(digest), Folder::Missing::fails);
  if (part) {
    CANOPY_TRY(const std::optional<FileFacts> facts, part->look(name));
    if (facts && facts->plain) return part->path() / name;
  } else if (part.error().code != Code::not_found) {
    return tl::unexpected(part.error());
  }
  return fail(Code::not_found, "there is no code of digest " + name + " in " + folder_.path().string() +
                                   "; deploy the function again");
}

Result<std::uint64_t> CodeFiles::sweep(Duration age, const std::function<bool(const std::string&)>& keep) {
  const WallTime before = clock_.wall_now() - age;
  std::uint64_t freed_bytes = 0;
  CANOPY_TRY(const std::vector<std::string> names, folder_.names());
  for (const std::string& name : names) {
    if (!is_part_name(name)) continue;
    CANOPY_TRY(const Folder part, folder_.child(name, Folder::Missing::fails));
    CANOPY_TRY(const std::uint64_t bytes, sweep_part(part, before, keep));
    freed_bytes += bytes;
  }
  return freed_bytes;
}

Result<std::uint64_t> CodeFiles::sweep_part(const Folder& part, WallTime before,
                                            const std::function<bool(const std::string&)>& keep) {
  std::uint64_t freed_bytes = 0;
  CANOPY_TRY(const std::vector<std::string> digests, part.names());
  for (const std::string& digest : digests) {
    if (!is_sha256_hex(digest) || keep(digest)) continue;
    const std::lock_guard lock(age_mutex_);
    CANOPY_TRY(const std::optional<FileFacts> facts, part.look(digest));
    if (!facts || !facts->plain || facts->changed >= before) continue;
    CANOPY_TRY_VOID(part.remove(digest));
    freed_bytes += facts->size_bytes;
  }
  return freed_bytes;
}

}  // namespace canopy::store
