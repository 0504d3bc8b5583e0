#include "balance/code_cache.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/sha256.h"
#include "base/units.h"

namespace canopy::balance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t part_size = 2;

struct Kept {
  fs::path path;
  fs::file_time_type used;
  std::uint64_t bytes = 0;
};

// All that is there, that which was used longest ago first.
std::vector<Kept> list(const fs::path& folder) {
  std::vector<Kept> all;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    Kept kept{.path = at->path(), .used = at->last_write_time(gone), .bytes = 0};
    const auto bytes = at->file_size(gone);
    if (gone) continue;
    kept.bytes = bytes;
    all.push_back(std::move(kept));
  }
  std::ranges::sort(all, {}, &Kept::used);
  return all;
}

void touch(const fs::path& path) {
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
}

}  // namespace

CodeCache::CodeCache(fs::path folder, std::uint64_t bytes_max)
    : folder_(std::move(folder)), bytes_max_(bytes_max) {
  std::error_code ignored;  // The first put() says what is wrong.
  fs::create_directories(folder_, ignored);
}

fs::path CodeCache::place_of(std::string_view digest) const {
  return folder_ / digest.substr(0, part_size) / digest;
}

bool CodeCache::has(const std::string& digest) {
  if (!is_sha256_hex(digest)) return false;
  const fs::path place = place_of(digest);
  const std::lock_guard lock(mutex_);
  std::error_code error;
  if (!fs::is_regular_file(place, error)) {
    whole_.erase(digest);
    return false;
  }
  if (!whole_.contains(digest)) {
    std::ifstream file(place, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (sha256_hex(bytes) != digest) {
      fs::remove(place, error);
      return false;
    }
    whole_.insert(digest);
  }
  touch(place);
  return true;
}

Result<void> CodeCache::put(const std::string& digest, std::string_view code) {
  if (sha256_hex(code) != digest) {
    return fail(Code::invalid, "the code that came is not what its digest " + digest.substr(0, 12) + " says");
  }
  if (code.size() > bytes_max_) {
    return fail(Code::limit, "code of " + size_text(code.size()) + " is more than the " +
                                 size_text(bytes_max_) + " that are kept here; raise --code-cache");
  }
  const std::lock_guard lock(mutex_);
  make_room(code.size());
  const fs::path place = place_of(digest);
  CallId random;
  fill_random(&random, sizeof random);
  const fs::path fresh = folder_ / ("new-" + to_text(random));
  std::error_code error;
  fs::create_directories(place.parent_path(), error);
  std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
  file.write(code.data(), static_cast<std::streamsize>(code.size()));
  file.close();
  if (file) fs::rename(fresh, place, error);
  if (!file || error) {
    std::error_code ignored;
    fs::remove(fresh, ignored);
    return fail(Code::unavailable, "cannot write " + place.string() + "; is the disk full, or read-only?");
  }
  whole_.insert(digest);
  return {};
}

Result<fs::path> CodeCache::path(std::string_view digest) const {
  std::error_code error;
  if (is_sha256_hex(digest) && fs::is_regular_file(place_of(digest), error)) return place_of(digest);
  return fail(Code::not_found, "this worker has no code of the digest " + std::string(digest.substr(0, 64)));
}

void CodeCache::make_room(std::uint64_t bytes) {
  std::vector<Kept> all = list(folder_);
  std::uint64_t sum = bytes;
  for (const Kept& kept : all) sum += kept.bytes;
  for (const Kept& kept : all) {
    if (sum <= bytes_max_) return;
    std::error_code error;
    if (fs::remove(kept.path, error)) sum -= kept.bytes;
    whole_.erase(kept.path.filename().string());
  }
}

}  // namespace canopy::balance
