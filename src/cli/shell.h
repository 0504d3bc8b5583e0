#pragma once
// For tests: the whole program on streams of the test's own, in a temporary folder.

#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/check.h"
#include "cli/files.h"
#include "cli/program.h"

namespace canopy::cli {

struct Ended {
  int status = 0;
  std::string out;
  std::string err;
};

class Shell {
 public:
  Shell() : folder_(make_folder()) {}

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  // Makes a file below the folder.
  std::filesystem::path file(const std::string& name, std::string_view content) {
    const std::filesystem::path path = folder_.path() / name;
    CANOPY_CHECK(write_file(path, content).has_value());
    return path;
  }

  // One variable for the programs to come: "NAME=value".
  void set(std::string variable) { variables_.push_back(std::move(variable)); }

  Ended run(const std::vector<std::string>& words) {
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal({.out = out, .err = err, .in_is_terminal = true, .colour = false});
    const std::vector<std::string_view> variables(variables_.begin(), variables_.end());
    const ProgramInput input{
        .arguments = {words.begin(), words.end()}, .environment = Environment(variables), .version = "1.2.3"};
    const int status = run_program(input, terminal, system_clock());
    return {.status = status, .out = out.str(), .err = err.str()};
  }

 private:
  static TempFolder make_folder() {
    auto made = TempFolder::make(Environment());
    CANOPY_CHECK(made.has_value());
    return *std::move(made);
  }

  TempFolder folder_;
  std::vector<std::string> variables_;
};

}  // namespace canopy::cli
