#pragma once
// All that can be seen of a catalog, as text: for tests that compare what was with what is.

#include <string>

#include "store/catalog.h"

namespace canopy::store {

inline std::string visible(const Function& function) {
  const Limits& limits = function.limits;
  std::string text = to_text(function.name) + " " + std::to_string(function.version) + " " + function.digest +
                     " " + std::to_string(function.code_bytes) + " " + function.runtime + " [";
  for (const std::uint64_t limit :
       {limits.memory_bytes, static_cast<std::uint64_t>(limits.timeout.count()),
        std::uint64_t{limits.concurrency}, limits.output_bytes, limits.log_bytes, limits.tmp_bytes,
        std::uint64_t{limits.open_files}, limits.table_elements}) {
    text += std::to_string(limit) + " ";
  }
  text += std::to_string(function.created.time_since_epoch().count()) + "]";
  for (const auto& [key, value] : function.env) text.append(" ").append(key).append("=").append(value);
  for (const FunctionFile& file : function.files) {
    text += " " + file.path + ":" + file.digest + ":" + std::to_string(file.size_bytes);
  }
  return text + "\n";
}

// Versions that cannot be read show as the error.
inline std::string visible(const Catalog& catalog) {
  std::string text;
  const auto snapshot = catalog.snapshot();
  for (const auto& [name, current] : snapshot->functions) {
    text += "current: " + visible(*current);
    const auto versions = catalog.versions(name);
    if (!versions) text += "unreadable: " + versions.error().message + "\n";
    if (!versions) continue;
    for (const Function& function : *versions) text += visible(function);
  }
  return text;
}

}  // namespace canopy::store
