#include "guest/mapped_file.h"

#include <cerrno>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace canopy::guest {
namespace {

tl::unexpected<Error> cannot(std::string_view what, const std::filesystem::path& path, int error) {
  return fail(error == ENOENT ? Code::not_found : Code::unavailable,
              "cannot " + std::string(what) + " the file " + path.string() + ": " +
                  std::generic_category().message(error));
}

// The files that are mapped now, by digest.
class SharedFiles {
 public:
  explicit SharedFiles(std::function<Result<std::filesystem::path>(std::string_view)> find)
      : find_(std::move(find)) {}

  Result<std::shared_ptr<const MappedFile>> load(std::string_view digest) {
    if (auto known = find(digest)) return known;
    CANOPY_TRY(const auto path, find_(digest));  // Without the lock: a core may ask for another meanwhile.
    CANOPY_TRY(auto file, map_file(path));
    const std::scoped_lock lock(mutex_);
    if (files_.size() >= sweep_at_) sweep();
    files_.insert_or_assign(std::string(digest), file);
    return file;
  }

 private:
  std::shared_ptr<const MappedFile> find(std::string_view digest) {
    const std::scoped_lock lock(mutex_);
    const auto known = files_.find(digest);
    return known == files_.end() ? nullptr : known->second.lock();
  }

  void sweep() {
    std::erase_if(files_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = 64 + 2 * files_.size();
  }

  const std::function<Result<std::filesystem::path>(std::string_view)> find_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const MappedFile>, std::less<>> files_;
  std::size_t sweep_at_ = 64;
};

}  // namespace

MappedFile::~MappedFile() {
  if (size_ > 0) munmap(const_cast<void*>(data_), size_);
}

void MappedFile::populate() const {
  if (size_ > 0)
    madvise(const_cast<void*>(data_), size_, MADV_POPULATE_READ);  // Else each page when it is read.
}

Result<std::shared_ptr<const MappedFile>> map_file(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return cannot("open", path, errno);
  struct stat found{};
  if (fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return fail(Code::unavailable, "cannot map " + path.string() + ": it is not a file");
  }
  const auto size = static_cast<std::size_t>(found.st_size);
  void* data = nullptr;
  if (size > 0) data = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return cannot("map", path, errno);
  return std::make_shared<const MappedFile>(data, size);
}

FileLoader make_file_loader(std::function<Result<std::filesystem::path>(std::string_view)> find) {
  auto shared = std::make_shared<SharedFiles>(std::move(find));
  return [shared](std::string_view digest) { return shared->load(digest); };
}

}  // namespace canopy::guest
