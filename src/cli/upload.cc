#include "cli/upload.h"

#include "base/id.h"
#include "cli/build.h"
#include "cli/files.h"
#include "cli/progress.h"
#include "wire/json_read.h"

namespace canopy::cli {
namespace {

constexpr Duration upload_timeout = std::chrono::minutes(15);  // Compiling is bounded by the server.

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

struct PartHead {
  std::string_view name;
  std::string_view filename;
  std::string_view type;
};

void append_part(const PartHead& head, std::string_view content, const std::string& boundary,
                 std::string& out) {
  out += "--" + boundary + "\r\nContent-Disposition: form-data; name=" + quoted(head.name);
  if (!head.filename.empty()) out += "; filename=" + quoted(head.filename);
  out += "\r\nContent-Type: " + std::string(head.type) + "\r\n\r\n";
  out += content;
  out += "\r\n";
}

}  // namespace

Result<Upload> make_upload(const Project& project, const Flags& flags, const Command& command,
                           Terminal& terminal) {
  Upload upload{.name = project.name, .manifest = project.manifest, .module = {}, .files = {}};
  CANOPY_TRY_VOID(apply_flags(flags, upload.manifest));
  upload.manifest.name = project.name;
  CANOPY_TRY(const auto files, read_file_flags(flags.files));
  for (const ProjectFile& file : files) {
    CANOPY_TRY(std::string content, read_file(file.source));
    upload.files.emplace_back(file.path, std::move(content));
  }
  const Builder builder{.environment = command.environment, .terminal = terminal};
  CANOPY_TRY(Built built, build(project.source, builder, upload.manifest.runtime.value_or("")));
  upload.module = std::move(built.code);
  for (auto& file : built.files) upload.files.push_back(std::move(file));
  if (!upload.manifest.runtime) upload.manifest.runtime = built.runtime;
  return upload;
}

std::string write_multipart(const Upload& upload, const std::string& boundary) {
  std::string body;
  append_part({"manifest", "", "application/json"}, wire::to_json(upload.manifest), boundary, body);
  const std::string runtime = upload.manifest.runtime.value_or("wasm");
  const PartHead code = runtime == "js"          ? PartHead{"code", "function.js", "text/javascript"}
                        : runtime == "python"    ? PartHead{"code", "handler.py", "text/x-python"}
                        : runtime == "container" ? PartHead{"code", "image.tar", "application/x-tar"}
                                                 : PartHead{"code", "function.wasm", "application/wasm"};
  append_part(code, upload.module, boundary, body);
  for (const auto& [path, content] : upload.files) {
    append_part({"file", path, "application/octet-stream"}, content, boundary, body);
  }
  return body + "--" + boundary + "--\r\n";
}

Result<Uploaded> send_upload(const Upload& upload, const Client& client, Terminal& terminal, bool dry_run) {
  const std::string boundary = "canopy-" + to_text(IdSource().next());  // 128 random bits are in no part.
  ClientRequest request{.method = "PUT",
                        .target = function_target(upload.name) + (dry_run ? "?dry_run=true" : ""),
                        .headers = {{"Content-Type", "multipart/form-data; boundary=" + boundary}},
                        .body = write_multipart(upload, boundary),
                        .timeout = upload_timeout};
  const Progress progress(terminal, (dry_run ? "looking at " : "deploying ") + to_text(upload.name));
  CANOPY_TRY(auto response, client.ask(std::move(request)));
  CANOPY_TRY(Json function, wire::parse_json(response.body));
  return Uploaded{
      .function = std::move(function), .json = std::move(response.body), .created = response.status == 201};
}

}  // namespace canopy::cli
