#pragma once
// A deployment as it comes in: code, what is said of the function, files. Three forms:
//
//   application/wasm      the body is the code; the query says the rest, named as in a manifest:
//                         ?memory=64MiB&timeout=5s&concurrency=10&env=NAME=value&env=…
//   multipart/form-data   part `manifest` (YAML or JSON, optional), part `code`, and any number of parts
//                         `file`, whose filename is the path that calls see; the query holds here too
//
// Source code is not compiled here: a compiler that runs on what strangers send is a hole. `canopy deploy`
// compiles where the source is.
//
// Life: the views point into the request.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/function.h"
#include "net/http.h"
#include "wire/manifest.h"

namespace canopy::api {

struct UploadedFile {
  std::string path;
  std::string_view content;
};

struct Upload {
  wire::Manifest manifest;
  std::string_view code;
  std::vector<UploadedFile> files;
  bool dry_run = false;  // The query says dry_run=true: nothing is to be changed, only said what would be.
};

//   invalid    a body or a query that is malformed; a file whose path is none, or is given twice
//   too_large  more files than 1000
//   refused    source code, another type of content, or no code
Result<Upload> read_upload(const net::HttpRequest& request, const FunctionName& name);

// What the query says, as a manifest; and whether it asks for a dry run, where that may be asked.
//   invalid  an unknown name, or a value that is none
Result<wire::Manifest> read_settings(std::string_view query, bool* dry_run = nullptr);

// Whether a function can have a file there: relative, in normal form, not too long.
//   invalid
Result<void> check_file_path(std::string_view path);

}  // namespace canopy::api
