#include "cli/environment.h"

namespace canopy::cli {

std::string Environment::get(std::string_view name) const {
  for (const std::string_view entry : entries_) {
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return std::string(entry.substr(name.size() + 1));
    }
  }
  return "";
}

std::filesystem::path cache_folder(const Environment& environment) {
  if (auto own = environment.get("CANOPY_CACHE"); !own.empty()) return own;
  if (auto cache = environment.get("XDG_CACHE_HOME"); !cache.empty()) {
    return std::filesystem::path(cache) / "canopy";
  }
  const std::string home = environment.get("HOME");
  return home.empty() ? std::filesystem::path() : std::filesystem::path(home) / ".cache" / "canopy";
}

std::filesystem::path sysroot_folder(const Environment& environment) {
  if (auto own = environment.get("CANOPY_SYSROOT"); !own.empty()) return own;
  const auto cache = cache_folder(environment);
  return cache.empty() ? cache : cache / "sysroot" / "current";
}

}  // namespace canopy::cli
