#pragma once
// How each language is compiled: for build.cc alone.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/build.h"
#include "cli/process.h"

namespace canopy::cli {

struct CompileStep {
  std::filesystem::path source;  // The file or folder, absolute.
  std::filesystem::path work;    // An empty folder to work in.
};

// Each leaves a module and returns where.
Result<std::filesystem::path> compile_c(const CompileStep& step, const Builder& builder);
Result<std::filesystem::path> compile_go(const CompileStep& step, const Builder& builder);
Result<std::filesystem::path> compile_rust(const CompileStep& step, const Builder& builder);

// JavaScript as one file: the file itself, or what esbuild makes of it and of all that it imports.
//   unavailable  it has to be bundled, and esbuild is not there; the message says how to get it
//   refused      what esbuild says
Result<std::string> bundle_javascript(const std::filesystem::path& path, const Builder& builder);
// The file in `folder` that a JavaScript function begins with; nothing where it is no such folder.
std::optional<std::filesystem::path> find_javascript(const std::filesystem::path& folder);

// Python as it is: the file, or a folder's, with all that lies beside it.
//   too_large  more files than a function may have
Result<Built> take_python(const std::filesystem::path& path);
// The file in `folder` that a Python function begins with; nothing where it is no such folder.
std::optional<std::filesystem::path> find_python(const std::filesystem::path& folder);

// An image: the file itself where it is one; else one with a program and nothing else, which is the file
// itself, or is compiled from Go or C for this machine, without libraries that it would look for.
//   refused      it does not compile, or needs libraries at run time
//   unavailable  a compiler is missing; the message says how to get it
Result<Built> build_container(const std::filesystem::path& path, const Builder& builder);

// The files of these extensions directly in `folder`, and in its src/, in order of their names.
Result<std::vector<std::filesystem::path>> sources_in(const std::filesystem::path& folder,
                                                      const std::vector<std::string>& extensions);

// Runs a compiler, prints what it says, and refuses `what` if it fails. Returns its standard output.
//   refused, and what run_process() says
Result<std::string> run_compiler(const ProcessRequest& request, const std::string& what,
                                 const Builder& builder);

}  // namespace canopy::cli
