#pragma once
// Says when something changed below a folder, or a file of its own: for `canopy dev`.
//
// What is not worth a look: hidden files and folders, node_modules, target, build outputs (.wasm, .o) and
// what editors leave (~, .swp, numbers). Several changes within debounce_time are one.
//
// Threads: one.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::cli {

inline constexpr Duration debounce_time = std::chrono::milliseconds(100);
inline constexpr std::size_t watched_folders_max = 10'000;

class Watcher {
 public:
  // `path` is a folder, with all that is below it; or a file: then it and what is beside it.
  //   unavailable  the kernel watches no more
  //   too_large    more folders than watched_folders_max
  static Result<Watcher> watch(const std::filesystem::path& path);
  ~Watcher();
  Watcher(Watcher&& other) noexcept;
  Watcher& operator=(Watcher&&) = delete;

  // Readable when there may be something.
  int descriptor() const { return descriptor_; }
  // Takes what is there without waiting; true if something worth a look is in it.
  bool take();
  // Takes until nothing more has come for debounce_time, at most two seconds. True as take().
  bool settle();

 private:
  explicit Watcher(int descriptor) : descriptor_(descriptor) {}
  Result<void> add(const std::filesystem::path& folder, bool recursive);

  int descriptor_;
  bool recursive_ = true;
  std::map<int, std::filesystem::path> folders_;
};

bool is_worth_a_look(std::string_view name);

}  // namespace canopy::cli
