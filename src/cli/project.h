#pragma once
// What a path on the command line stands for: a function, or several, with what canopy.yaml says of them.
//
// A folder is described by its canopy.yaml; a source file or module by the canopy.yaml beside it, where that
// means this file; a canopy.yaml by itself. What has none gets its name from its file or folder.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/flags.h"
#include "model/function.h"
#include "wire/manifest.h"

namespace canopy::cli {

struct Project {
  FunctionName name;
  wire::Manifest manifest;
  std::filesystem::path source;  // What build() takes.
};

// All functions of a canopy.yaml.
//   not_found  there is no such file
//   invalid    what parse_project() says; one without a name of its own whose folder's name is none
Result<std::vector<Project>> read_projects(const std::filesystem::path& manifest);

// The one function that `path` is; `name` ("" for none) chooses among several, and names one without.
//   not_found  there is nothing; or no function of that name in it
//   invalid    several functions and no name; a manifest that is none
Result<Project> find_project(const std::filesystem::path& path, const std::string& name);

// The `runtime` that a canopy.yaml names for this file or folder, "" where none does.
//   invalid  a manifest that is none
Result<std::string> runtime_said_of(const std::filesystem::path& path);

// What the flags of `deploy` say goes before what the manifest says.
//   invalid  an --env that is no variable
Result<void> apply_flags(const Flags& flags, wire::Manifest& manifest);

// A file of the function's own.
struct ProjectFile {
  std::string path;  // As calls see it, without the first '/'.
  std::filesystem::path source;
};

// "HOST:GUEST" for a file, or for a folder with all that is in it; GUEST alone may be left out.
//   invalid    no path, or one outside of what functions see
//   not_found  nothing is there
//   too_large  more than 1000 files
Result<std::vector<ProjectFile>> read_file_flags(const std::vector<std::string>& texts);

}  // namespace canopy::cli
