#pragma once
// Sends a function to the server: its module, what its manifest says, and its own files, in one upload.

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/client.h"
#include "cli/project.h"

namespace canopy::cli {

struct Upload {
  FunctionName name;
  wire::Manifest manifest;
  std::string module;  // Or source that runs as it is, of a runtime that takes it.
  std::vector<std::pair<std::string, std::string>> files;  // Path and content.
};

struct Uploaded {
  Json function;
  std::string json;      // The same, as the server wrote it.
  bool created = false;  // The name is new.
};

// Builds what `project` is made from and reads the files that --file names.
Result<Upload> make_upload(const Project& project, const Flags& flags, const Command& command,
                           Terminal& terminal);

// Returns when the server has compiled it and would answer calls; with `dry_run`, when it has said what that
// would change.
Result<Uploaded> send_upload(const Upload& upload, const Client& client, Terminal& terminal,
                             bool dry_run = false);

// multipart/form-data; `boundary` is in none of the parts.
std::string write_multipart(const Upload& upload, const std::string& boundary);

}  // namespace canopy::cli
