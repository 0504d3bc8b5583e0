#include "guest/image.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/log.h"

namespace canopy::guest {
namespace {

constexpr std::string_view hosts = "127.0.0.1\tlocalhost\n";
constexpr std::string_view passwd =
    "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
constexpr std::string_view resolv_conf = "# There is no network here.\n";

std::uint64_t nanoseconds(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.time_since_epoch().count()));
}

}  // namespace

class FileImage::ImageNode final : public Inode {
 public:
  ImageNode(std::string name, Filetype type, ImageNode* parent) : name_(std::move(name)), type_(type) {
    parent_ = parent == nullptr ? this : parent;
  }

  Filetype type() const override { return type_; }

  Stat stat() const override {
    return {.device = 1,
            .inode = id_,
            .type = type_,
            .links = 1,
            .size = size_,
            .accessed = time_,
            .modified = time_,
            .changed = time_};
  }

  Inode* parent() override { return type_ == Filetype::directory ? parent_ : nullptr; }

  Inode* find(std::string_view name) override {
    const auto at = place(name);
    return at != children_.end() && (*at)->name_ == name ? at->get() : nullptr;
  }

  bool child(std::uint64_t cookie, Entry& entry) const override {
    const std::uint64_t index = cookie - first_child_cookie;
    if (cookie < first_child_cookie || index >= children_.size()) return false;
    const ImageNode& child = *children_[static_cast<std::size_t>(index)];
    entry = {.next = cookie + 1, .inode = child.id_, .type = child.type_, .name = child.name_};
    return true;
  }

  Io<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override {
    if (type_ == Filetype::directory) return io_error(Errno::isdir);
    const auto content = bytes();
    if (!content) return io_error(content.error());
    if (offset >= content->size()) return std::size_t{0};
    const auto from = content->substr(static_cast<std::size_t>(offset), into.size());
    if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
    return from.size();
  }

 private:
  friend class FileImage;
  using Children = std::vector<std::unique_ptr<ImageNode>>;

  Children::iterator place(std::string_view name) {
    return std::lower_bound(children_.begin(), children_.end(), name,
                            [](const auto& node, std::string_view wanted) { return node->name_ < wanted; });
  }

  Io<std::string_view> bytes() {
    if (loader_ == nullptr) return fixed_;
    if (const MappedFile* file = loaded_.load(std::memory_order_acquire)) return file->bytes();
    const std::scoped_lock lock(mutex_);
    if (!file_) {
      if (!*loader_) return io_error(Errno::io);
      auto file = (*loader_)(digest_);
      if (!file) {
        log::error("a function's file '{}' cannot be read: {}", log_safe(name_), file.error().message);
        return io_error(Errno::io);
      }
      file_ = *std::move(file);
      loaded_.store(file_.get(), std::memory_order_release);
    }
    return file_->bytes();
  }

  const std::string name_;
  const Filetype type_;
  ImageNode* parent_;
  Children children_;  // By name.
  std::uint64_t id_ = 0;
  std::uint64_t time_ = 0;
  std::uint64_t size_ = 0;
  std::string_view fixed_;
  std::string digest_;
  const FileLoader* loader_ = nullptr;  // Set where the content is stored; else it is `fixed_`.
  std::mutex mutex_;
  std::shared_ptr<const MappedFile> file_;
  std::atomic<const MappedFile*> loaded_{nullptr};
};

FileImage::FileImage(const Function& function, FileLoader loader)
    : loader_(std::move(loader)),
      time_(nanoseconds(function.created)),
      root_(std::make_unique<ImageNode>("", Filetype::directory, nullptr)) {
  for (const FunctionFile& file : function.files) {
    ImageNode* const node = add(file.path, file.size_bytes);
    if (node == nullptr) continue;
    node->digest_ = file.digest;
    node->loader_ = &loader_;
  }
  add_fixed("etc/hosts", hosts);
  add_fixed("etc/passwd", passwd);
  add_fixed("etc/resolv.conf", resolv_conf);
  const auto at = root_->place("tmp");
  if (at != root_->children_.end() && (*at)->name_ == "tmp") root_->children_.erase(at);
  tmp_ = folder(*root_, "tmp");
  number();
}

FileImage::~FileImage() = default;

Inode& FileImage::root() const { return *root_; }
Inode& FileImage::tmp() const { return *tmp_; }

// The folder of that name, made if missing; null where a file has the name.
FileImage::ImageNode* FileImage::folder(ImageNode& in, std::string_view name) {
  const auto at = in.place(name);
  if (at != in.children_.end() && (*at)->name_ == name) {
    return (*at)->is_folder() ? at->get() : nullptr;
  }
  auto made = std::make_unique<ImageNode>(std::string(name), Filetype::directory, &in);
  return in.children_.insert(at, std::move(made))->get();
}

FileImage::ImageNode* FileImage::add(std::string_view path, std::uint64_t size) {
  if (path.size() > path_size_max) return nullptr;
  ImageNode* in = root_.get();
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == ".." || name.size() > name_size_max) return nullptr;
    if (slash == std::string_view::npos) break;
    in = folder(*in, name);
    if (in == nullptr) return nullptr;
    path.remove_prefix(slash + 1);
  }
  const auto at = in->place(path);
  if (at != in->children_.end() && (*at)->name_ == path) return nullptr;
  auto made = std::make_unique<ImageNode>(std::string(path), Filetype::regular_file, in);
  made->size_ = size;
  return in->children_.insert(at, std::move(made))->get();
}

void FileImage::add_fixed(std::string_view path, std::string_view content) {
  if (ImageNode* const node = add(path, content.size())) node->fixed_ = content;
}

void FileImage::number() {
  std::vector<ImageNode*> found = {root_.get()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i]->id_ = i + 1;
    found[i]->time_ = time_;
    for (const auto& child : found[i]->children_) found.push_back(child.get());
  }
}

std::shared_ptr<const FileImage> ImageCache::image_of(const Function& function) {
  // All functions without files share one.
  const bool has_files = !function.files.empty();
  Key key;
  if (has_files) key = {function.name, function.version, function.created};
  const std::scoped_lock lock(mutex_);
  const auto known = kept_.find(key);
  if (known != kept_.end()) {
    known->second.used = ++clock_;
    return known->second.image;
  }
  if (kept_.size() >= kept_max) {
    kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                                 [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  auto image = std::make_shared<const FileImage>(has_files ? function : Function{}, loader_);
  kept_.emplace(std::move(key), Kept{image, ++clock_});
  return image;
}

}  // namespace canopy::guest
