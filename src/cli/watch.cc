#include "cli/watch.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t changes =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF;
constexpr Duration settle_time_max = std::chrono::seconds(2);

bool is_readable_within(int descriptor, Duration time) {
  pollfd wanted{descriptor, POLLIN, 0};
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  return poll(&wanted, 1, static_cast<int>(std::max<long>(milliseconds, 0))) > 0;
}

}  // namespace

bool is_worth_a_look(std::string_view name) {
  if (name.empty() || name.front() == '.' || name.back() == '~' || name == "node_modules" ||
      name == "target" || name == "__pycache__") {
    return false;
  }
  for (const std::string_view ending : {".wasm", ".o", ".swp", ".swx", ".tmp", ".new"}) {
    if (name.ends_with(ending)) return false;
  }
  // Vim tries whether it may write by making a file with such a name.
  return !std::ranges::all_of(name, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; });
}

Result<Watcher> Watcher::watch(const fs::path& path) {
  const int descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) {
    return fail(Code::unavailable, "cannot watch for changes: " + std::generic_category().message(errno) +
                                       "; raise fs.inotify.max_user_instances");
  }
  Watcher watcher(descriptor);
  std::error_code error;
  watcher.recursive_ = fs::is_directory(path, error);
  const fs::path folder = watcher.recursive_ ? path : fs::absolute(path, error).parent_path();
  CANOPY_TRY_VOID(watcher.add(folder, watcher.recursive_));
  return watcher;
}

Watcher::Watcher(Watcher&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      recursive_(other.recursive_),
      folders_(std::move(other.folders_)) {}

Watcher::~Watcher() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<void> Watcher::add(const fs::path& folder, bool recursive) {
  if (folders_.size() >= watched_folders_max) {
    return fail(Code::too_large, "there are more than " + std::to_string(watched_folders_max) +
                                     " folders to watch; name the folder of one function");
  }
  const int watch = inotify_add_watch(descriptor_, folder.c_str(), changes | IN_ONLYDIR);
  if (watch < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};  // It is gone again.
    return fail(Code::unavailable, "cannot watch " + folder.string() + ": " +
                                       std::generic_category().message(errno) +
                                       (errno == ENOSPC ? "; raise fs.inotify.max_user_watches" : ""));
  }
  folders_[watch] = folder;
  if (!recursive) return {};
  std::error_code error;
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    std::error_code ignored;
    if (!at->is_directory(ignored) || at->is_symlink(ignored)) continue;
    if (is_worth_a_look(at->path().filename().string())) CANOPY_TRY_VOID(add(at->path(), true));
  }
  return {};
}

bool Watcher::take() {
  bool found = false;
  alignas(inotify_event) std::array<char, 64 * 1024> buffer{};
  while (true) {
    const ssize_t size = read(descriptor_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return found;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      const auto& event = *reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += sizeof(inotify_event) + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) found = true;  // Something was lost: look.
      if ((event.mask & IN_IGNORED) != 0) folders_.erase(event.wd);
      const std::string name = event.len == 0 ? "" : event.name;
      if (!is_worth_a_look(name)) continue;
      found = true;
      const bool is_new_folder =
          (event.mask & IN_ISDIR) != 0 && (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
      const auto folder = folders_.find(event.wd);
      // One that cannot be watched is not worth ending for.
      if (recursive_ && is_new_folder && folder != folders_.end()) (void)add(folder->second / name, true);
    }
  }
}

bool Watcher::settle() {
  bool found = take();
  const Time end = system_clock().now() + settle_time_max;
  while (system_clock().now() < end && is_readable_within(descriptor_, debounce_time))
    found = take() || found;
  return found;
}

}  // namespace canopy::cli
