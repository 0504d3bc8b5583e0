#include "cli/files.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "store/disk.h"

namespace canopy::cli {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

Result<std::string> read_all(const store::Descriptor& file, const std::string& name,
                             std::uint64_t bytes_max) {
  std::string content;
  constexpr std::size_t piece_bytes = 256 * KiB;
  while (true) {
    const std::size_t before = content.size();
    content.resize(before + piece_bytes);
    const ssize_t size = ::read(file.get(), content.data() + before, piece_bytes);
    content.resize(before + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(Code::unavailable, "cannot read " + name + ": " + reason(errno));
    if (size == 0) return content;
    if (content.size() > bytes_max) {
      return fail(Code::too_large, name + " is longer than " + size_text(bytes_max));
    }
  }
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  if (path == "-") return read_all(store::Descriptor(dup(STDIN_FILENO)), "standard input", bytes_max);
  const std::string name = path.string();
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return fail(Code::invalid, name + " is a folder, not a file");
  const store::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return fail(Code::not_found, "there is no file " + name);
  if (!file) return fail(Code::unavailable, "cannot read " + name + ": " + reason(errno));
  return read_all(file, name, bytes_max);
}

Result<void> write_file(const std::filesystem::path& path, std::string_view content) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return fail(Code::unavailable,
                "cannot make the folder " + path.parent_path().string() + ": " + error.message());
  }
  const std::filesystem::path fresh = path.string() + "." + std::to_string(getpid()) + ".new";
  {
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.flush();
    if (!file) {
      const int why = errno;
      std::filesystem::remove(fresh, error);
      return fail(Code::unavailable, "cannot write " + path.string() + ": " + reason(why));
    }
  }
  std::filesystem::rename(fresh, path, error);
  if (!error) return {};
  const std::string why = error.message();
  std::filesystem::remove(fresh, error);
  return fail(Code::unavailable, "cannot write " + path.string() + ": " + why);
}

Result<TempFolder> TempFolder::make(const Environment& environment) {
  std::string folder = environment.get("TMPDIR");
  if (folder.empty()) folder = "/tmp";
  std::string path = folder + "/canopy-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    return fail(Code::unavailable,
                "cannot make a folder in " + folder + ": " + reason(errno) + "; set TMPDIR to another");
  }
  return TempFolder(path);
}

TempFolder::~TempFolder() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace canopy::cli
