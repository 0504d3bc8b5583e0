#pragma once
// Small text files that are inside the program, so that it works wherever it is copied to: the SDK (sdk/c/…)
// and what `canopy new` starts from (sdk/templates/…). cmake/embed.cmake makes their content.

#include <span>
#include <string_view>

namespace canopy::cli {

struct EmbeddedFile {
  std::string_view path;  // "c/faasm/core.h", as below sdk/
  std::string_view content;
};

// In order of their paths.
std::span<const EmbeddedFile> embedded_files();

}  // namespace canopy::cli
