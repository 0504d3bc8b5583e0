#include "store/temp_folder.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "store/disk.h"

namespace canopy::store {

Result<TempFolder> TempFolder::make() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error) return tl::unexpected(disk_error("find", "the temporary folder (TMPDIR)", error.value()));
  return make_in(parent);
}

Result<TempFolder> TempFolder::make_in(const std::filesystem::path& parent) {
  std::string name = (parent / "canopy-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return tl::unexpected(disk_error("make", name, errno));
  return TempFolder(name);
}

TempFolder::~TempFolder() {
  if (path_.empty()) return;
  std::error_code ignored;  // What cannot be deleted stays for the system's own cleaning.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace canopy::store
